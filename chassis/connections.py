"""Held connections to one Postgres: borrowed, given back as they are, replaced when lost.

- No statement is sent when a connection is given back: it never carries session state, because
  nothing here sets any, and a reset would cost as much as a query.
- A lost connection takes the idle ones with it: they lead to the same server, and each would
  otherwise cost one request its time-out.
- Borrowing waits for a free connection no longer than the request's deadline.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit

import asyncpg  # noqa: TID251  # the other half of chassis/postgres.py
from asyncpg.connect_utils import SessionAttribute  # noqa: TID251  # the same

from chassis.connection import Connection
from chassis.database_tls import attempts
from chassis.deadline import capped
from chassis.dsn import Dsn, read_dsn
from chassis.errors import UnavailableError
from chassis.sensitive import Sensitive
from chassis.sqlstates import CONNECT_ERRORS, is_connection_fault, is_server_fault
from chassis.timelines import StaleTimelineError, Timelines

CONNECT_TIMEOUT_SECONDS = 3.0
BORROW_TIMEOUT_SECONDS = 10.0
ROLLBACK_TIMEOUT_SECONDS = 2.0
# The server's own statement timeout answers first; ours is for a server that answers nothing.
CLIENT_GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """How each connection is made. Times in seconds.

    With `by_statement` the session is set by a statement once the connection is made, because a
    pooler refuses or ignores what it is started with.
    """

    dsn: Sensitive[str]
    application_name: str
    statement_timeout_seconds: float
    timelines: Timelines = field(default_factory=Timelines)
    by_statement: bool = False

    async def connect(self) -> Connection:
        """A connection to the newest primary. Raises what the driver and the socket raise.

        One server after the other is tried, that of the last connection first, each for a part
        of the time: one that answers nothing does not keep the others from being asked.
        """
        dsn = read_dsn(self.dsn.reveal())
        errors: list[Exception] = []
        for server in sorted(dsn.servers, key=lambda one: one != self.timelines.server):
            try:
                return await self._to(server, dsn)
            except (*CONNECT_ERRORS, StaleTimelineError) as error:
                errors.append(error)
        stale = (error for error in errors if isinstance(error, StaleTimelineError))
        raise next(stale, errors[0])

    async def survey(self) -> None:
        """Every primary that can be reached among several servers has told its timeline."""
        dsn = read_dsn(self.dsn.reveal())
        if len(dsn.servers) == 1:
            return
        asked = [self._to(server, dsn) for server in dsn.servers]
        for connection in await asyncio.gather(*asked, return_exceptions=True):
            if not isinstance(connection, BaseException):
                connection.terminate()
        self.timelines.server = None  # the DSN's order counts at first

    async def _to(self, server: tuple[str, int], dsn: Dsn) -> Connection:
        seconds = CONNECT_TIMEOUT_SECONDS / len(dsn.servers)
        async with asyncio.timeout(capped(seconds)):
            connection = await self._over_tls_or_without(replace(dsn, servers=(server,)))
            try:
                await self.timelines.check(connection, server)
            except BaseException:
                connection.terminate()
                raise
            return connection

    async def _over_tls_or_without(self, dsn: Dsn) -> Connection:
        *earlier, last = attempts(dsn.tls)
        for tls in earlier:
            try:
                return await self._open(dsn, tls)
            except asyncpg.InvalidPasswordError:
                raise
            except (OSError, asyncpg.InvalidAuthorizationSpecificationError):
                continue  # refused with TLS, or without it
        return await self._open(dsn, last)

    async def _open(self, dsn: Dsn, tls: ssl.SSLContext | None) -> Connection:
        """Every option is given: the driver looks for an absent one in the environment."""
        session = self._session(dsn)
        connection = await asyncpg.connect(
            host=[host for host, _ in dsn.servers],
            port=[port for _, port in dsn.servers],
            user=dsn.user,
            password=dsn.password.reveal(),
            database=dsn.database,
            ssl=tls or False,
            direct_tls=dsn.tls.direct and tls is not None,
            krbsrvname=dsn.kerberos_service,
            gsslib="gssapi",
            command_timeout=self.statement_timeout_seconds + CLIENT_GRACE_SECONDS,
            max_cached_statement_lifetime=0,  # for as long as the connection lives
            target_session_attrs=SessionAttribute.read_write,
            server_settings={
                "application_name": self.application_name,
                **({} if self.by_statement else session),
            },
        )
        if self.by_statement:
            await _set_session(connection, session)
        return connection

    def _session(self, dsn: Dsn) -> dict[str, str]:
        timeout_ms = str(int(self.statement_timeout_seconds * 1000))
        return {
            **dsn.settings,
            "statement_timeout": timeout_ms,
            # A commit whose wait for a standby was cancelled says so in a warning.
            "client_min_messages": "warning",
            "idle_in_transaction_session_timeout": timeout_ms,
            "default_transaction_isolation": "read committed",
            "timezone": "UTC",
        }


async def _set_session(connection: Connection, session: Mapping[str, str]) -> None:
    calls = (f"set_config({_quoted(k)}, {_quoted(v)}, false)" for k, v in session.items())
    try:
        await connection.execute(f"SELECT {', '.join(calls)}")
    except BaseException:
        connection.terminate()
        raise


def _quoted(text: str) -> str:
    """A literal of SQL, with standard_conforming_strings on or off."""
    doubled = text.replace("'", "''").replace("\\", "\\\\")
    return f" E'{doubled}'"


class HeldConnections:
    """At most `limit` connections, made when first needed."""

    def __init__(self, settings: ConnectionSettings, limit: int) -> None:
        self._settings = settings
        self._free = asyncio.Semaphore(limit)
        self._idle: list[Connection] = []  # a stack: the warmest prepared statements first
        self._settling: set[asyncio.Task[None]] = set()
        self._closed = False

    async def take(self) -> Connection:
        """A connection, to be given back or told as failed(). At once if one is idle.

        Raises UnavailableError if none becomes free in time or none can be made.
        """
        if self._free.locked():
            await self._until_free()
        else:
            await self._free.acquire()  # does not wait
        try:
            return self._idle_connection() or await self._settings.connect()
        except BaseException as error:
            self._free.release()
            if isinstance(error, CONNECT_ERRORS):
                raise UnavailableError("the database cannot be reached") from error
            raise

    async def _until_free(self) -> None:
        try:
            async with asyncio.timeout(capped(BORROW_TIMEOUT_SECONDS)):
                await self._free.acquire()
        except TimeoutError as error:
            raise UnavailableError("no database connection became free in time") from error

    def failed(self, connection: Connection, error: BaseException) -> None:
        """What was taken is given back after an error, outside a transaction again soon.

        Raises UnavailableError if the server or the connection is at fault; else the error is
        the caller's.
        """
        lost = is_connection_fault(error, closed=connection.is_closed())
        if lost:
            connection.terminate()
            self._drop_idle()
        self._settle(connection)
        if lost or is_server_fault(error):
            raise UnavailableError("the database failed") from error

    def _idle_connection(self) -> Connection | None:
        if self._closed:
            raise UnavailableError("the database connections are closed")
        while self._idle:
            connection = self._idle.pop()
            if self._settings.timelines.is_stale(connection):
                connection.terminate()
            elif not connection.is_closed():
                return connection
        return None

    def give_back(self, connection: Connection) -> None:
        """What was taken is another's; it is as it was, and outside a transaction."""
        if self._closed:
            connection.terminate()
        elif not connection.is_closed():
            self._idle.append(connection)
        self._free.release()

    def _settle(self, connection: Connection) -> None:
        """Have the failed transaction ended, without making the caller wait for it."""
        if connection.is_closed() or not connection.is_in_transaction():
            self.give_back(connection)
            return
        task = asyncio.create_task(self._roll_back(connection))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _roll_back(self, connection: Connection) -> None:
        try:
            await connection.execute("ROLLBACK", timeout=ROLLBACK_TIMEOUT_SECONDS)
        except CONNECT_ERRORS:
            connection.terminate()
        finally:
            self.give_back(connection)

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().terminate()

    async def close(self) -> None:
        """No connection is left, nor can one be borrowed."""
        self._closed = True
        await asyncio.gather(*self._settling, return_exceptions=True)
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.close(timeout=ROLLBACK_TIMEOUT_SECONDS)
            except CONNECT_ERRORS:
                connection.terminate()


def has_several_hosts(dsn: Sensitive[str]) -> bool:
    """Whether the DSN names more than one server, in its address or its `host` parameter."""
    parts = urlsplit(dsn.reveal())
    address = parts.netloc.rpartition("@")[2]
    named = (address, *parse_qs(parts.query).get("host", []))
    return any("," in hosts for hosts in named)
