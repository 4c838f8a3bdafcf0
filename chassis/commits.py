"""Commits that nothing of ours cuts short, and what becomes of one that takes long.

- With a synchronous standby, Postgres keeps a COMMIT waiting until the standby has it. If the
  wait is cancelled, the transaction stays committed on the primary alone, and the client is
  answered with a WARNING and success; a fail-over then loses it. A statement timeout does not
  reach this wait, but a cancel request does, and the driver sends one when a call is cancelled
  or times out. (PostgreSQL documentation, "Synchronous Replication"; backend/replication/
  syncrep.c, SyncRepWaitForLSN.)
- So a commit runs in a task of its own without a client-side timeout. Its caller waits for it
  for a limited time and is then told AmbiguousCommitError; the connection stays taken until the
  commit ends.
- Anybody else may cancel the wait, too: a WARNING during a commit makes it ambiguous.
- Only a part of the connections may be used to write, so that reads go on while commits wait.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import asyncpg  # noqa: TID251  # the driver's messages
import structlog

from chassis.connection import Connection
from chassis.connections import (
    BORROW_TIMEOUT_SECONDS,
    CLIENT_GRACE_SECONDS,
    HeldConnections,
)
from chassis.deadline import capped, unbound
from chassis.errors import UnavailableError
from chassis.metrics import Metrics
from chassis.sqlstates import is_connection_fault

T = TypeVar("T")

_log = structlog.get_logger(__name__)

NO_TIMEOUT_SECONDS = 1e8  # the driver takes None for its own default
ANSWER_MARGIN_SECONDS = 0.05  # to answer before the caller's deadline ends the call
CHECK_SECONDS = 10.0
FAREWELL_SECONDS = 2.0
# One in so many connections is left to reads, and one at least.
READS_SHARE = 4

# Where a standby is synchronous, a commit waits for it if it has written to the log. This makes
# the next one wait for everything that is visible, even if it has written nothing else.
_WAIT_FOR_WHAT_IS_SEEN = (
    "SELECT CASE WHEN current_setting('synchronous_standby_names') <> '' "
    "THEN pg_logical_emit_message(true, 'commit', '') END"
)
_STILL_THERE = """
SELECT pg_backend_pid() AS own, EXISTS (
    SELECT FROM pg_stat_activity
    WHERE pid = $1 AND application_name = current_setting('application_name')
) AS found
"""


class AmbiguousCommitError(UnavailableError):
    """Whether the transaction happened, or will survive a fail-over, is unknown."""

    default_message = "the outcome of the write is unknown"


class LostTransactionError(Exception):
    """A bug: the work went on after a statement of it had failed; nothing was committed."""


@dataclass(frozen=True, slots=True)
class CommitStatements:
    """How a transaction is ended on this engine."""

    commit: str
    replicate: str
    roll_back_and_replicate: str


WAITING = CommitStatements(
    commit=f"{_WAIT_FOR_WHAT_IS_SEEN}; COMMIT",
    replicate=f"BEGIN; {_WAIT_FOR_WHAT_IS_SEEN}; COMMIT",
    roll_back_and_replicate=f"ROLLBACK; BEGIN; {_WAIT_FOR_WHAT_IS_SEEN}; COMMIT",
)
PLAIN = CommitStatements(
    commit="COMMIT", replicate="SELECT 1", roll_back_and_replicate="ROLLBACK"
)


async def statements_for(connection: Connection) -> CommitStatements:
    """Those that the server understands. Changes nothing."""
    try:
        await connection.execute(
            "BEGIN; SELECT pg_logical_emit_message(true, 'commit', ''); ROLLBACK"
        )
    except asyncpg.PostgresError as error:
        await connection.execute("ROLLBACK")
        _log.warning(
            "what a write only read is answered without waiting for a standby: "
            "pg_logical_emit_message cannot be called",
            sqlstate=error.sqlstate,
        )
        return PLAIN
    return WAITING


class WriteConnections:
    """The connections that write, from when they are taken to the end of their commit."""

    def __init__(
        self, connections: HeldConnections, limit: int, *, statement_timeout_seconds: float
    ) -> None:
        """Of `limit` connections most may write."""
        self._connections = connections
        self._room = asyncio.Semaphore(max(1, limit - max(1, limit // READS_SHARE)))
        self._wait_seconds = statement_timeout_seconds + CLIENT_GRACE_SECONDS
        self._writing = 0
        self._started: dict[Connection, float] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self.statements = WAITING

    @property
    def overdue(self) -> int:
        """How many commits have waited for longer than any caller waits."""
        if not self._started:
            return 0
        earliest = asyncio.get_running_loop().time() - self._wait_seconds
        return sum(1 for started in self._started.values() if started <= earliest)

    async def take(self) -> Connection:
        """A connection to write with, to be ended() or failed().

        While commits are overdue, one more write at a time is let in to see whether that has
        passed. Raises UnavailableError.
        """
        overdue = self.overdue
        if overdue and (self._writing > overdue or self._room.locked()):
            raise UnavailableError("commits are waiting for a synchronous standby")
        try:
            async with asyncio.timeout(capped(BORROW_TIMEOUT_SECONDS)):
                await self._room.acquire()
        except TimeoutError as error:
            raise UnavailableError("too many writes are under way") from error
        self._writing += 1
        try:
            return await self._connections.take()
        except BaseException:
            self._leave()
            raise

    def failed(self, connection: Connection, error: BaseException) -> None:
        """See HeldConnections: what was taken is given back after an error."""
        self._leave()
        self._connections.failed(connection, error)

    async def ended(self, connection: Connection, commit: Callable[[], Awaitable[T]]) -> T:
        """What `commit` returns; the connection is given back when it has ended.

        It is carried on with whatever becomes of the caller. Raises AmbiguousCommitError if it
        does not end in time, its wait was cancelled or the connection was lost;
        UnavailableError; what `commit` raises.
        """
        seconds = capped(self._wait_seconds + ANSWER_MARGIN_SECONDS) - ANSWER_MARGIN_SECONDS
        # Counted from here on, so that the count includes a commit before its caller is told.
        self._started[connection] = asyncio.get_running_loop().time()
        with unbound():
            task = asyncio.create_task(self._carried_out(connection, commit))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        done, _ = await asyncio.wait((task,), timeout=max(0.0, seconds))
        if not done:
            _log.warning("a commit has not ended in time", overdue=self.overdue)
            raise AmbiguousCommitError
        return task.result()

    async def _carried_out(
        self, connection: Connection, commit: Callable[[], Awaitable[T]]
    ) -> T:
        loop = asyncio.get_running_loop()
        check = loop.call_later(CHECK_SECONDS, self._check, connection)
        try:
            with _warnings(connection) as warnings:
                result = await commit()
        except BaseException as error:
            lost = is_connection_fault(error, closed=connection.is_closed())
            try:
                self._connections.failed(connection, error)
            except UnavailableError as told:
                raise (AmbiguousCommitError if lost else told) from error
            raise
        else:
            self._connections.give_back(connection)
        finally:
            del self._started[connection]
            check.cancel()
            self._leave()
        if warnings:
            _log.error("the wait for a synchronous standby was cancelled", sqlstates=warnings)
            raise AmbiguousCommitError
        return result

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone

    def _leave(self) -> None:
        self._writing -= 1
        self._room.release()

    def _check(self, connection: Connection) -> None:
        """The end of a commit whose server does not know of it any more is not waited for."""
        if connection not in self._started:
            return
        task = asyncio.create_task(self._end_if_lost(connection))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check, connection)

    async def _end_if_lost(self, connection: Connection) -> None:
        pid = connection.get_server_pid()
        other = await self._connections.take()
        try:
            row = await other.fetchrow(_STILL_THERE, pid)
        except BaseException as error:
            self._connections.failed(other, error)
            raise
        behind_a_pooler = row is None or row["own"] != other.get_server_pid()
        self._connections.give_back(other)
        if row and not row["found"] and not behind_a_pooler and connection in self._started:
            connection.terminate()

    async def close(self) -> None:
        """No commit is under way here; the server may go on with one."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FAREWELL_SECONDS)
        for connection in tuple(self._started):
            connection.terminate()  # unlike close(), sends no cancel request
        await asyncio.gather(*self._tasks, return_exceptions=True)


def show_overdue(metrics: Metrics, overdue: Callable[[], int]) -> None:
    """How many commits are overdue is among the metrics."""
    metrics.gauge(
        "database_overdue_commits",
        "Commits that the database has not ended although their callers were told so.",
        (),
    ).set_function(overdue)


async def execute_to_the_end(connection: Connection, statements: str) -> str:
    """The last command's tag, however long it takes."""
    return await connection.execute(statements, timeout=NO_TIMEOUT_SECONDS)


async def replicate(connection: Connection, statements: CommitStatements) -> None:
    """Whatever is visible is on every synchronous standby.

    Raises AmbiguousCommitError if the wait for it was cancelled, and what the driver raises.
    """
    with _warnings(connection) as warnings:
        await execute_to_the_end(connection, statements.replicate)
    if warnings:
        raise AmbiguousCommitError


@contextmanager
def _warnings(connection: Connection) -> Iterator[list[str]]:
    """The SQLSTATEs of the warnings that come inside the block."""
    heard: list[str] = []

    def listen(_connection: object, message: asyncpg.PostgresLogMessage) -> None:
        if message.severity_en == "WARNING":
            heard.append(message.sqlstate)

    connection.add_log_listener(listen)
    try:
        yield heard
    finally:
        if not connection.is_closed():
            connection.remove_log_listener(listen)
