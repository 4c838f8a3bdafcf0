"""How many files and sockets the process may have open, and what that leaves for connections.

POSIX gives a process a soft limit, which counts, and a hard one, up to which it may raise the
soft one itself (getrlimit(2), RLIMIT_NOFILE).
"""

import resource
from collections.abc import Mapping
from contextlib import suppress

import structlog

OWN_DESCRIPTORS = 64
"""Of a process without clients: its log, its event loops, listeners and calls to its peers."""
OPERATIONS_CONNECTIONS = 64
"""Kept back for the operations port, so that a flood of another port leaves it reachable."""
_LEAST_SHARE = 4  # connections always get a fourth of the descriptors

_log = structlog.get_logger(__name__)


def raise_descriptor_limit() -> None:
    """The soft limit is the hard one, unless the system does not allow that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS names no hard limit and allows less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connection_limits(
    wanted: Mapping[str, int], *, database_connections: int = 0, told: bool = True
) -> dict[str, int]:
    """The limit of each port: what is wanted, or its share of the descriptors that are left.

    A limit that is lower than wanted is logged as a warning, if it is to be `told`.
    """
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept_back = OWN_DESCRIPTORS + OPERATIONS_CONNECTIONS + database_connections
    left, total = max(allowed - kept_back, allowed // _LEAST_SHARE), sum(wanted.values())
    if allowed == resource.RLIM_INFINITY or total <= left:
        return dict(wanted)
    limits = {port: max(1, number * left // total) for port, number in wanted.items()}
    if told:
        _log.warning(
            "the limit on open files leaves room for fewer connections than the settings "
            "allow; raise it (ulimit -n, LimitNOFILE) or lower the settings",
            open_files=allowed,
            kept_back=kept_back,
            wanted=dict(wanted),
            allowed=limits,
        )
    return limits
