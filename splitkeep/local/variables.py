"""Which SPLITKEEP_ variables anything knows: a misspelt one is refused, not ignored.

What is below a process's own prefix is that process's to judge.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from splitkeep.local.settings import (
    GRPC_VARIABLE,
    OFFSET_VARIABLE,
    PORT_OPTIONS,
    STATE_VARIABLE,
    SettingsError,
)

COMMON = "SPLITKEEP_"
PREFIXES = tuple(f"{COMMON}{name}_" for name in ("METADATA", "VAULT", "GATEWAY", "TEST"))
# docker-compose.yml's: somebody who runs both may have them set in every shell.
COMPOSE_NAMES = tuple(
    COMMON + name
    for name in (
        *("BIND", "BUILD_PIP_FIND_LINKS", "BUILD_PIP_NO_INDEX", "DECRYPT_PORT", "GID"),
        *("HEALTH_INTERVAL", "HTTPS_PORT", "IMAGE", "PULL_POLICY", "SECRETS", "UID"),
    )
)
NAMES = (
    STATE_VARIABLE,
    GRPC_VARIABLE,
    OFFSET_VARIABLE,
    *(option.variable for option in PORT_OPTIONS),
    *COMPOSE_NAMES,
)
ALIKE = 0.7  # of whole names, which are long


def check_variables(environ: Mapping[str, str]) -> None:
    """Raises SettingsError, which names every variable that nothing knows."""
    unknown = [name for name in sorted(environ) if name.startswith(COMMON) and not known(name)]
    if unknown:
        raise SettingsError("\n".join(_lines(unknown)))


def known(name: str) -> bool:
    """Whether a process, a flag or a command may read it."""
    return name in NAMES or name.startswith(PREFIXES)


def _lines(unknown: list[str]) -> Iterator[str]:
    yield "the start is refused:"
    yield from (f"  {name[:128]} is not known; {_hint(name)}" for name in unknown)


def _hint(name: str) -> str:
    own = name.removeprefix(COMMON)
    names = get_close_matches(own, [n.removeprefix(COMMON) for n in NAMES], 1, ALIKE)
    if names:
        return f"is {COMMON}{names[0]} meant?"
    first = own.partition("_")[0] + "_"
    prefixes = get_close_matches(first, [p.removeprefix(COMMON) for p in PREFIXES], 1)
    if prefixes:
        return f"is {COMMON}{prefixes[0]}… meant?"
    return f"settings begin with {', '.join(PREFIXES)}"
