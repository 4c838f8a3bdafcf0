"""How a port accepts calls from gRPC's core, in one of two modes.

- `standard` is grpc.aio by its public API alone, and works with any version of it. It accepts
  one call in each turn of the event loop.
- `fast` accepts as many as have come (chassis/fast_accept.py). It depends on two private names
  of grpcio, so it is chosen only for the versions that it was tested with.

Measured in docs/adr/0033-calls-are-accepted-in-two-modes.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import grpc
import structlog

from chassis import fast_accept
from chassis.accept_mode import AcceptMode
from chassis.config import StartRefusedError

_log = structlog.get_logger(__name__)


def _nothing() -> None:
    """One call in a turn of the loop is slow enough."""


@dataclass(frozen=True, slots=True)
class Accepting:
    """A server, and what decides how fast it accepts calls.

    `back_off` is to be called for every call that is refused: a busy server accepts the next
    ones later. After `stop_backing_off` it accepts calls as they come.
    """

    server: grpc.aio.Server
    back_off: Callable[[], None] = _nothing
    stop_backing_off: Callable[[], None] = _nothing


def new_server(mode: AcceptMode, options: Sequence[tuple[str, int]]) -> Accepting:
    """A server that accepts in this mode.

    Raises StartRefusedError if `fast` is demanded of a grpcio that it was not tested with.
    """
    problem = fast_accept.problem()
    if mode is AcceptMode.FAST and problem:
        raise StartRefusedError((f"the accept mode fast cannot be used: {problem}",))
    if mode is not AcceptMode.STANDARD and not problem:
        server = fast_accept.new_server(options)
        return Accepting(server, server.backoff.begin, server.backoff.end)
    if mode is AcceptMode.AUTO:
        _warn(problem)
    return Accepting(grpc.aio.server(options=options))


@cache
def _warn(problem: str | None) -> None:
    """Once in a process, however many servers it has."""
    _log.warning(
        "calls are accepted one in each turn of the event loop: a busy port answers up to "
        "two fifths fewer calls",
        reason=problem,
    )
