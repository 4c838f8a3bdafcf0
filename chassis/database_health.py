"""Whether a database does what its service needs: it answers, and it takes writes.

- Whether it answers is asked each time. Writing is tried every ten seconds, at once after a
  write of the service has failed, and each time until it succeeds again.
- What is tried leaves nothing behind and is done in one transaction: an INSERT of no rows into
  each table, which a standby, a read-only server and a role without the right refuse; a few
  hundred kilobytes of temporary data, for which a full disk has no room; and a commit, which
  waits for a synchronous standby as any other does.
- What is tried and not yet done says nothing for three seconds: a busy service is not taken
  for a broken one. While a commit is overdue nothing is tried: it would wait as well.
"""

import asyncio
from collections.abc import Sequence

import structlog

from chassis.connection import Connection
from chassis.deadline import unbound
from chassis.postgres import Database
from chassis.readiness import PartsFailingError
from chassis.redaction import describe_exception

ANSWER_SECONDS = 1.0
TRY_SECONDS = 0.2
HANGS_AFTER_SECONDS = 3.0
TRIED_EVERY_SECONDS = 10.0
WRITES = "writes"

_log = structlog.get_logger(__name__)

# A function's rows beyond work_mem go to a file (PostgreSQL documentation, "work_mem").
_SPILL = (
    "SELECT set_config('work_mem', '64kB', true)",
    "SELECT count(*) FROM generate_series(1, 10000)",
)


class DatabaseHealth:
    """See the module. `tables` are those that the service writes to."""

    def __init__(self, database: Database, tables: Sequence[str]) -> None:
        self._database = database
        nothing = [f"INSERT INTO {t} SELECT * FROM {t} WHERE false" for t in tables]  # noqa: S608  # the service's own words
        self._statements = "; ".join((*nothing, *_SPILL))
        self._trying: asyncio.Task[bool] | None = None
        self._began_at = 0.0
        self._takes_writes = True
        self._passed_at = float("-inf")
        self._failed_writes = 0

    async def check(self) -> None:
        """Returns if the database answers and takes writes. Takes 1.2 seconds at most.

        Raises UnavailableError, TimeoutError; PartsFailingError if it answers and takes no
        writes.
        """
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._database.healthy()
        if self._database.overdue_commits:
            raise PartsFailingError((WRITES,))
        if self._is_due():
            await self._try()
        if not self._takes_writes:
            raise PartsFailingError((WRITES,))

    def _is_due(self) -> bool:
        age = asyncio.get_running_loop().time() - self._passed_at
        return age >= TRIED_EVERY_SECONDS or self._failed_writes != self._database.failed_writes

    async def _try(self) -> None:
        """Runs one attempt at a time, never cancelled: its commit would continue."""
        now = asyncio.get_running_loop().time()
        if self._trying is None:
            with unbound():
                self._trying = asyncio.create_task(self._tried(self._database.failed_writes))
            self._began_at = now
        done, _ = await asyncio.wait((self._trying,), timeout=TRY_SECONDS)
        if done:
            self._takes_writes, self._trying = await self._trying, None
        elif now - self._began_at > HANGS_AFTER_SECONDS:
            self._takes_writes = False

    async def _tried(self, failed_before: int) -> bool:
        try:
            await self._database.transact(self._write)
        except Exception as error:  # noqa: BLE001  # whatever it is, a write would fail as well
            if self._takes_writes:
                _log.warning("writes fail", failure=describe_exception(error))
            return False
        self._passed_at = asyncio.get_running_loop().time()
        self._failed_writes = failed_before
        return True

    async def _write(self, connection: Connection) -> None:
        await connection.execute(self._statements)
