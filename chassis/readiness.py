"""Whether a process can do its work, and what keeps it from it, along the chain of processes.

- A check fails by raising. By PartsFailingError it names the parts of what it checks, so that
  the gateway says `metadata: database`.
- Those who ask at the same time share one answer, and it is given for a second: however many
  ask, a peer or a database is asked once a second by each process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from chassis.deadline import unbound
from chassis.errors import UnavailableError
from chassis.redaction import describe_exception

Check = Callable[[], Awaitable[None]]

# A check of a peer takes longer than that peer's own checks may: each further process of the
# chain allows more (database 1.0, peer of the vault 1.5, peers of the gateway 1.9).
CHECK_TIMEOUT_SECONDS = 2.0
FRESH_SECONDS = 1.0
DRAINING = "draining"

_log = structlog.get_logger(__name__)


class PartsFailingError(UnavailableError):
    """Something answers that it cannot do its work; `parts` are what it names."""

    default_message = "a part is not ready"

    def __init__(self, parts: Sequence[str]) -> None:
        super().__init__()
        self.parts = tuple(parts)


class Readiness:
    """Ready as long as every check returns and nobody called drain()."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self._draining = False
        self._asked: asyncio.Task[tuple[str, ...]] | None = None
        self._asked_at = 0.0
        self._failed: frozenset[str] = frozenset()

    def add(self, name: str, check: Check) -> None:
        """It is ready only as long as this check returns, too."""
        self._checks[name] = check

    def drain(self) -> None:
        """From now on it is not ready, so that no new work is sent here."""
        self._draining = True

    async def failing(self) -> tuple[str, ...]:
        """What keeps it from serving; nothing if it is ready.

        After CHECK_TIMEOUT_SECONDS at the latest; as of a second ago at the earliest.
        """
        if self._draining:
            return (DRAINING,)
        now = asyncio.get_running_loop().time()
        if self._asked is None or now - self._asked_at > FRESH_SECONDS:
            with unbound():  # it is everybody's answer, not that of the call that asks first
                self._asked, self._asked_at = asyncio.create_task(self._found()), now
        return await asyncio.shield(self._asked)

    async def _found(self) -> tuple[str, ...]:
        found = await asyncio.gather(*map(self._parts, self._checks))
        return tuple(part for parts in found for part in parts)

    async def _parts(self, name: str) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await self._checks[name]()
        except Exception as error:  # noqa: BLE001  # whatever it is, the check has failed
            parts = error.parts if isinstance(error, PartsFailingError) else ()
            named = tuple(f"{name}: {part}" for part in parts) or (name,)
            if name not in self._failed:
                failure = describe_exception(error)
                _log.warning("check failed", check=name, failing=named, failure=failure)
            self._failed |= {name}
            return named
        if name in self._failed:
            _log.info("check passes again", check=name)
        self._failed -= {name}
        return ()
