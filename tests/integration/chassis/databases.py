"""Empty databases on the test server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from chassis.sensitive import Sensitive


@asynccontextmanager
async def empty_database(server: Sensitive[str]) -> AsyncIterator[Sensitive[str]]:
    """The DSN of an empty database, dropped afterwards with whoever is connected."""
    name = f"chassis_{uuid4().hex}"
    connection = await asyncpg.connect(server.reveal())
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield Sensitive(urlunsplit(urlsplit(server.reveal())._replace(path=f"/{name}")))
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


def with_password(dsn: Sensitive[str], password: str) -> Sensitive[str]:
    return _with(dsn, password=password)


def at_port(dsn: Sensitive[str], port: int) -> Sensitive[str]:
    """The same database, reached at another port of this machine."""
    return _with(dsn, port=port)


def address(dsn: Sensitive[str]) -> tuple[str, int]:
    parts = urlsplit(dsn.reveal())
    return parts.hostname or "127.0.0.1", parts.port or 5432


def _with(
    dsn: Sensitive[str], *, password: str | None = None, port: int | None = None
) -> Sensitive[str]:
    parts = urlsplit(dsn.reveal())
    secret = parts.password if password is None else quote(password, safe="")
    place = f"{parts.hostname}:{parts.port}" if port is None else f"127.0.0.1:{port}"
    return Sensitive(urlunsplit(parts._replace(netloc=f"{parts.username}:{secret}@{place}")))
