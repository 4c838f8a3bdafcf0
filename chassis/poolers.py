"""A pooler between a service and its database: found at the start, and which kinds work.

- For cancel requests Postgres names the process of the backend, a pooler a number of its own.
- In session mode a client has a backend of its own. That works, but a pooler refuses or ignores
  what a connection is started with, so the session is set by a statement instead.
- In transaction or statement mode backends go from client to client, and with them prepared
  statements and settings: reads fail by chance. That is refused.
- Without a pooler nothing is different, and finding out costs one statement at the start.
"""

from dataclasses import replace

import asyncpg  # noqa: TID251  # the driver's faults

from chassis.config import StartRefusedError
from chassis.connection import Connection
from chassis.connections import ConnectionSettings
from chassis.dsn import read_dsn
from chassis.sqlstates import SHARED_SESSION_ERRORS

ROUNDS = 5  # a pooler may give a client the same backend again by chance

_OWN_BACKEND = "SELECT pg_backend_pid()"
_REFUSED_PARAMETER = "startup parameter"  # pgbouncer has no SQLSTATE of its own for this


class SharedSessionsError(StartRefusedError):
    """The database is behind a pooler that gives a backend to several clients in turn."""

    def __init__(self, address: str) -> None:
        where = f"the database at {address} is behind a pooler that shares sessions"
        todo = "give it pool_mode=session there, or connect to Postgres directly"
        super().__init__((f"{where}: {todo}",))


async def fit_for_poolers(settings: ConnectionSettings) -> ConnectionSettings:
    """Settings that work with what stands between here and the database, if anything does.

    Raises SharedSessionsError, and what making a connection raises.
    """
    try:
        if not await _is_pooled(settings):
            return settings
    except asyncpg.ProtocolViolationError as error:
        if _REFUSED_PARAMETER not in str(error):
            raise
    except SHARED_SESSION_ERRORS:
        pass
    by_statement = replace(settings, by_statement=True)
    if await _shares_sessions(by_statement):
        raise SharedSessionsError(read_dsn(settings.dsn.reveal()).address)
    return by_statement


async def _is_pooled(settings: ConnectionSettings) -> bool:
    connection = await settings.connect()
    try:
        return bool(await connection.fetchval(_OWN_BACKEND) != connection.get_server_pid())
    finally:
        connection.terminate()


async def _shares_sessions(settings: ConnectionSettings) -> bool:
    """Whether a client's backend changes, or is another client's as well."""
    first = await settings.connect()
    try:
        second = await settings.connect()
        try:
            seen = [await _backends(first, second) for _ in range(ROUNDS)]
        finally:
            second.terminate()
    except SHARED_SESSION_ERRORS:
        return True
    finally:
        first.terminate()
    return len(set(seen)) > 1 or len(set(seen[0])) == 1


async def _backends(*connections: Connection) -> tuple[object, ...]:
    return tuple([await connection.fetchval(_OWN_BACKEND) for connection in connections])
