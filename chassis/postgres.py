"""One Postgres as a service sees it: transactions, statements, faults in our vocabulary.

- Every statement runs on the primary, in READ COMMITTED, in a transaction of its own or in the
  one that `transact` opens. There are no savepoints and no session state.
- 40001 and 40P01 are retried here and nowhere else; everything done inside `transact` must
  therefore be safe to do again.
- A connection or server fault becomes UnavailableError. A connection lost during COMMIT becomes
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

from chassis.connections import (
    Connection,
    ConnectionSettings,
    HeldConnections,
    has_several_hosts,
)
from chassis.errors import UnavailableError
from chassis.sensitive import Sensitive
from chassis.sqlstates import TRANSIENT_ERRORS, is_connection_fault

__all__ = ["AmbiguousCommitError", "Connection", "Database"]

T = TypeVar("T")

_log = structlog.get_logger(__name__)

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.01


class AmbiguousCommitError(UnavailableError):
    """The connection was lost during COMMIT: whether the transaction happened is unknown."""

    default_message = "the outcome of the write is unknown"


class LostTransactionError(Exception):
    """A bug: the work went on after a statement of it had failed; nothing was committed."""


class Database:
    """A pool of held connections and the one place that retries."""

    def __init__(self, connections: HeldConnections) -> None:
        self._connections = connections

    @classmethod
    async def connect(
        cls,
        dsn: Sensitive[str],
        *,
        application_name: str,
        connections: int = 10,
        statement_timeout_seconds: float = 5,
    ) -> "Database":
        """A database that has answered once.

        Raises UnavailableError if it does not answer.
        """
        settings = ConnectionSettings(dsn, application_name, statement_timeout_seconds)
        database = cls(HeldConnections(settings, connections))
        await database.healthy()
        if has_several_hosts(dsn):
            await database.warn_unless_synchronous()
        return database

    async def transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """The result of `work`, committed. The whole of it may run up to four times.

        Raises UnavailableError, AmbiguousCommitError, and whatever `work` raises (after which
        nothing of it has happened).
        """
        return await _retried(lambda: self._transact_once(work))

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """The rows of one statement, in a transaction of its own. Raises UnavailableError."""
        return await self._run(Connection.fetch, query, args)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        """The first row of one statement, if there is any. Raises UnavailableError."""
        return await self._run(Connection.fetchrow, query, args)

    async def execute(self, query: str, *args: object) -> str:
        """The command tag of one statement, e.g. `UPDATE 1`. Raises UnavailableError."""
        return await self._run(Connection.execute, query, args)

    async def healthy(self) -> None:
        """Returns if the primary answers. Raises UnavailableError."""
        await self.execute("SELECT 1")

    async def warn_unless_synchronous(self) -> None:
        """Logs a warning if a failover could lose what was acknowledged."""
        row = await self.fetchrow(
            "SELECT current_setting('synchronous_standby_names') AS names"
        )
        if row is None or not row["names"]:
            _log.warning(
                "no standby is synchronous: a failover may lose acknowledged writes",
                setting="synchronous_standby_names",
            )

    async def close(self) -> None:
        """No connection is left open."""
        await self._connections.close()

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

    async def _transact_once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await self._connections.take()
        try:
            await _begin(connection)
            result = await work(connection)
            await _commit(connection)
        except BaseException as error:
            self._connections.failed(connection, error)
            raise
        self._connections.give_back(connection)
        return result


async def _begin(connection: Connection) -> None:
    try:
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    except asyncio.CancelledError:
        # Nobody reads whether it has begun: the next statement would be part of it.
        connection.terminate()
        raise


async def _commit(connection: Connection) -> None:
    try:
        tag = await connection.execute("COMMIT")
    except Exception as error:
        if is_connection_fault(error, closed=connection.is_closed()):
            connection.terminate()
            raise AmbiguousCommitError from error
        raise
    if tag != "COMMIT":
        raise LostTransactionError("a statement failed, and the work went on without it")


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
