"""One Postgres as a service sees it: transactions, statements, faults in our vocabulary.

- Every statement runs on the primary, in READ COMMITTED, in a transaction of its own or in the
  one that `transact` opens. There are no savepoints and no session state.
- What `transact`, `write` and `write_rows` answer, an error of our vocabulary included, is on
  every synchronous standby by then, also what they only read. What `fetch`, `fetchrow` and
  `execute` read may be on the primary alone; they never write.
- 40001 and 40P01 are retried here and nowhere else; everything done inside `transact` must
  therefore be safe to do again.
- A connection or server fault becomes UnavailableError. A commit that is cut short becomes
  AmbiguousCommitError and is never retried: the transaction may have happened.
- What a statement itself is guilty of (a constraint) stays the driver's exception; the adapter
  that wrote the statement knows what it means.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import structlog

from chassis.commits import (
    NO_TIMEOUT_SECONDS,
    AmbiguousCommitError,
    LostTransactionError,
    WriteConnections,
    execute_to_the_end,
    statements_for,
)
from chassis.connection import Connection
from chassis.connections import (
    ConnectionSettings,
    HeldConnections,
    has_several_hosts,
)
from chassis.database_faults import start_problem
from chassis.errors import DeadlineExceededError, KnownError, UnavailableError
from chassis.high_water import HighWaterMarks
from chassis.poolers import fit_for_poolers
from chassis.sensitive import Sensitive
from chassis.sqlstates import CONNECT_ERRORS, TRANSIENT_ERRORS
from chassis.timelines import StaleTimelineError, Timelines

__all__ = ["AmbiguousCommitError", "Connection", "Database", "LostTransactionError"]

T = TypeVar("T")

_log = structlog.get_logger(__name__)

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.01

_SETTINGS = """
SELECT
    current_setting('synchronous_standby_names') AS names,
    current_setting('synchronous_commit') AS level
"""


class Database:
    """A pool of held connections and the one place that retries."""

    def __init__(self, connections: HeldConnections, writing: WriteConnections) -> None:
        self._connections, self._writing = connections, writing
        self.failed_writes = 0  # for reasons of the server's or the connection's

    @classmethod
    async def connect(
        cls,
        dsn: Sensitive[str],
        *,
        application_name: str,
        setting: str = "the DSN",
        connections: int = 10,
        statement_timeout_seconds: float = 5,
        marks: HighWaterMarks | None = None,
    ) -> "Database":
        """A database that has answered once. `setting` is where its DSN was given.

        Raises StartRefusedError if it does not answer, which says why.
        """
        settings = ConnectionSettings(
            dsn,
            application_name,
            statement_timeout_seconds,
            Timelines(marks or HighWaterMarks()),
        )
        await settings.survey()
        try:
            settings = await fit_for_poolers(settings)
        except (*CONNECT_ERRORS, StaleTimelineError) as error:
            raise start_problem(error, dsn, setting) from error
        held = HeldConnections(settings, connections)
        database = cls(
            held,
            WriteConnections(
                held, connections, statement_timeout_seconds=statement_timeout_seconds
            ),
        )
        try:
            await database.learn()
        except UnavailableError as error:
            raise start_problem(error.__cause__ or error, dsn, setting) from error
        await database.warn_unless_lasting(several_hosts=has_several_hosts(dsn))
        return database

    async def transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """The result of `work`, committed. The whole of it may run up to four times.

        Raises UnavailableError, AmbiguousCommitError, and whatever `work` raises (after which
        nothing of it has happened).
        """
        return await self._counted(lambda: self._transact_once(work))

    async def write(self, query: str, *args: object) -> str:
        """The command tag of one statement that writes, e.g. `UPDATE 1`, committed.

        Raises UnavailableError, AmbiguousCommitError.
        """
        return await self._counted(lambda: self._write_once(Connection.execute, query, args))

    async def write_rows(self, query: str, *args: object) -> list[asyncpg.Record]:
        """The rows that one statement returns which writes, committed.

        Raises UnavailableError, AmbiguousCommitError.
        """
        return await self._counted(lambda: self._write_once(Connection.fetch, query, args))

    async def replicated(self) -> None:
        """What was visible before is on every synchronous standby.

        Raises UnavailableError, AmbiguousCommitError.
        """
        connection = await self._writing.take()
        replicate = self._writing.statements.replicate
        await self._writing.ended(connection, lambda: execute_to_the_end(connection, replicate))

    @property
    def overdue_commits(self) -> int:
        """How many commits the server has not ended although their callers were told so."""
        return self._writing.overdue

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """The rows of one statement, in a transaction of its own. Raises UnavailableError."""
        return await self._run(Connection.fetch, query, args)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        """The first row of one statement, if there is any. Raises UnavailableError."""
        return await self._run(Connection.fetchrow, query, args)

    async def execute(self, query: str, *args: object) -> str:
        """The command tag of one statement, e.g. `UPDATE 1`. Raises UnavailableError."""
        return await self._run(Connection.execute, query, args)

    async def learn(self) -> None:
        """It is known how the server is made to wait for its standbys.

        Raises UnavailableError.
        """
        connection = await self._connections.take()
        try:
            self._writing.statements = await statements_for(connection)
        except BaseException as error:
            self._connections.failed(connection, error)
            raise
        self._connections.give_back(connection)

    async def healthy(self) -> None:
        """Returns if the primary answers. Raises UnavailableError."""
        await self.execute("SELECT 1")

    async def warn_unless_lasting(self, *, several_hosts: bool) -> None:
        """Logs a warning if a crash or a fail-over could lose what was acknowledged.

        Raises UnavailableError.
        """
        row = await self.fetchrow(_SETTINGS)
        if row is None:
            raise LookupError("a SELECT without FROM has a row")
        names, level = row["names"], row["level"]
        if level == "off":
            _log.warning(
                "a crash of the database may lose acknowledged writes",
                setting="synchronous_commit",
            )
        if several_hosts and (not names or level in {"off", "local"}):
            _log.warning(
                "no standby is synchronous: a failover may lose acknowledged writes",
                setting="synchronous_commit" if names else "synchronous_standby_names",
            )

    async def close(self) -> None:
        """No connection is left open."""
        await self._writing.close()
        await self._connections.close()

    async def _counted(self, write: Callable[[], Awaitable[T]]) -> T:
        try:
            return await _retried(write)
        except (UnavailableError, asyncpg.InsufficientPrivilegeError):
            self.failed_writes += 1
            raise

    async def _run(
        self, statement: Callable[..., Awaitable[T]], query: str, args: tuple[object, ...]
    ) -> T:
        try:
            return await self._run_once(statement, query, args)
        except TRANSIENT_ERRORS:
            await _pause(1)
        return await _retried(lambda: self._run_once(statement, query, args), first=2)

    async def _run_once(
        self, statement: Callable[..., Awaitable[T]], query: str, args: tuple[object, ...]
    ) -> T:
        connection = await self._connections.take()
        try:
            result = await statement(connection, query, *args)
        except BaseException as error:
            self._connections.failed(connection, error)
            raise
        self._connections.give_back(connection)
        return result

    async def _write_once(
        self, statement: Callable[..., Awaitable[T]], query: str, args: tuple[object, ...]
    ) -> T:
        connection = await self._writing.take()

        async def committed() -> T:
            result = await statement(connection, query, *args, timeout=NO_TIMEOUT_SECONDS)
            if _wrote_nothing(result):
                await execute_to_the_end(connection, self._writing.statements.replicate)
            return result

        return await self._writing.ended(connection, committed)

    async def _transact_once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await self._writing.take()
        try:
            await _begin(connection)
            result = await work(connection)
        except (UnavailableError, DeadlineExceededError) as error:
            self._writing.failed(connection, error)
            raise
        except KnownError:
            # An answer, too: it must not be told by what a fail-over undoes.
            ending = self._writing.statements.roll_back_and_replicate
            await self._writing.ended(
                connection, lambda: execute_to_the_end(connection, ending)
            )
            raise
        except BaseException as error:
            self._writing.failed(connection, error)
            raise
        ending = self._writing.statements.commit
        await self._writing.ended(connection, lambda: _commit(connection, ending))
        return result


async def _begin(connection: Connection) -> None:
    try:
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    except asyncio.CancelledError:
        # Nobody reads whether it has begun: the next statement would be part of it.
        connection.terminate()
        raise


async def _commit(connection: Connection, statements: str) -> None:
    try:
        tag = await execute_to_the_end(connection, statements)
    except asyncpg.InFailedSQLTransactionError:
        tag = "ROLLBACK"
    if tag != "COMMIT":
        raise LostTransactionError("a statement failed, and the work went on without it")


def _wrote_nothing(result: object) -> bool:
    """Whether a statement's rows or its tag, e.g. `DELETE 0`, say so."""
    return not result or (isinstance(result, str) and result.endswith(" 0"))


async def _retried(once: Callable[[], Awaitable[T]], *, first: int = 1) -> T:
    for attempt in range(first, ATTEMPTS):
        try:
            return await once()
        except TRANSIENT_ERRORS:
            await _pause(attempt)
    try:
        return await once()
    except TRANSIENT_ERRORS as error:
        raise UnavailableError("the database is too busy with other writers") from error


async def _pause(attempt: int) -> None:
    longest = FIRST_PAUSE_SECONDS * 2**attempt
    await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  # jitter, not a secret
