"""The database and the role of one service, on its own server."""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from chassis.connections import ConnectionSettings
from chassis.migrations import SchemaError, migrate
from chassis.sensitive import Sensitive
from splitkeep.files import read_json, write_json
from splitkeep.local.postgres import PostgresError, PostgresServer, dsn

PASSWORD_BYTES = 24
PASSWORD = re.compile(r"[0-9a-f]{32,}")  # it needs no quoting anywhere
STATEMENT_SECONDS = 60.0  # a first CREATE DATABASE copies a template


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Of the superuser, and of the role that owns the service's database."""

    superuser: Sensitive[str]
    owner: Sensitive[str]


def ensure_passwords(path: Path, name: str, *, has_data: bool = False) -> Passwords:
    """The passwords of one server, made on the first call.

    None are made for a server that `has_data`: they would not open it. Raises OSError,
    PostgresError.
    """
    try:
        known = read_json(path) if path.exists() else {}
    except ValueError:
        raise _damaged(path) from None
    if not isinstance(known, dict):
        raise _damaged(path)
    missing = name not in known
    if missing and has_data:
        raise PostgresError(
            f"{path} lacks the passwords of the {name} database: restore it, or erase "
            "everything with --reset"
        )
    if missing:
        known[name] = {role: new_password() for role in ("superuser", "owner")}
        write_json(path, known)
    return _passwords(known, name, path)


def _passwords(known: Any, name: str, path: Path) -> Passwords:
    """Raises PostgresError."""
    try:
        superuser, owner = (str(known[name][role]) for role in ("superuser", "owner"))
    except (TypeError, KeyError):
        raise _damaged(path) from None
    if not (PASSWORD.fullmatch(superuser) and PASSWORD.fullmatch(owner)):
        raise _damaged(path)
    return Passwords(superuser=Sensitive(superuser), owner=Sensitive(owner))


def _damaged(path: Path) -> PostgresError:
    return PostgresError(
        f"{path} is damaged, and the databases are not opened without it: restore it, or erase "
        "everything with --reset"
    )


def new_password() -> str:
    """A password, which PASSWORD matches."""
    return secrets.token_hex(PASSWORD_BYTES)


async def ensure_database(server: PostgresServer, owner: Sensitive[str]) -> Sensitive[str]:
    """A migrated database and its owner are there; answers the owner's way in.

    Role and database bear the server's name. Raises PostgresError.
    """
    try:
        return await _ensure_database(server, owner)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        raise PostgresError(
            f"{server.name} runs and does not answer as a whole one does; its log, "
            f"{server.log}, says why: restore {server.data} from a backup, or erase everything "
            "with --reset"
        ) from None


async def _ensure_database(server: PostgresServer, owner: Sensitive[str]) -> Sensitive[str]:
    """See ensure_database. Raises PostgresError, asyncpg's errors, OSError."""
    name = server.settings.name
    try:
        connection = await ConnectionSettings(
            server.admin_dsn, "splitkeep", STATEMENT_SECONDS
        ).connect()
    except asyncpg.InvalidPasswordError:
        raise PostgresError(
            f"{server.name} was made with other passwords: restore passwords.json, or erase "
            "everything with --reset"
        ) from None
    try:
        await _ensure_owner_and_database(connection, name, owner.reveal())
    finally:
        await connection.close()
    way_in = dsn(server.settings, user=name, password=owner.reveal(), database=name)
    try:
        await migrate(way_in, f"{name}_svc.postgres.migrations")
    except SchemaError as error:
        raise PostgresError(
            f"the {name} database cannot be brought to this version ({error}): run the version "
            "that made it, or erase everything with --reset"
        ) from None
    return way_in


async def _ensure_owner_and_database(
    connection: asyncpg.Connection, name: str, password: str
) -> None:
    # Utility statements take no parameters; name and password are this module's own words.
    role = f"ROLE {name} LOGIN PASSWORD '{password}'"
    known = await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", name)
    await connection.execute(f"{'ALTER' if known else 'CREATE'} {role}")
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await connection.execute(f"CREATE DATABASE {name} OWNER {name}")
