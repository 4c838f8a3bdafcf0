"""Numbered SQL files, applied once each and in order.

- Files are `0001_what.sql`, `0002_…` of one package, without a gap. Each is one transaction.
- A locked row serialises those who migrate at the same time; the second finds nothing to do.
- The SHA-256 of each applied file is recorded; an applied file that was edited is an error.
- Code that knows n files runs on a schema at n or n + 1: the schema may be upgraded first.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

import asyncpg

from chassis.commits import replicate, statements_for
from chassis.config import StartRefusedError
from chassis.connection import Connection
from chassis.connections import ConnectionSettings
from chassis.database_faults import start_problem
from chassis.poolers import fit_for_poolers
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from chassis.sqlstates import CONNECT_ERRORS
from chassis.timelines import StaleTimelineError

_FILE_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
MIGRATION_TIMEOUT_SECONDS = 600.0

_CREATE_TABLES = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS schema_migration_turn (id integer PRIMARY KEY);
INSERT INTO schema_migration_turn (id) VALUES (1) ON CONFLICT (id) DO NOTHING;
"""
_CREATED_BY_ANOTHER = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateTableError,
    asyncpg.DuplicateObjectError,
)
_TAKE_TURN = "SELECT id FROM schema_migration_turn WHERE id = 1 FOR UPDATE"
_READ_APPLIED = "SELECT version, sha256 FROM schema_migrations ORDER BY version"
_RECORD = "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)"


class SchemaError(StartRefusedError):
    """The database's schema is not one that this code runs on, or cannot be made so."""

    def __init__(self, problem: str) -> None:
        super().__init__((problem,))


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The hexadecimal SHA-256 of the file's text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(package: str) -> tuple[Migration, ...]:
    """The package's files in order. Raises SchemaError on a misnamed or missing number."""
    files = sorted(
        (file for file in resources.files(package).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    for expected, file in enumerate(files, start=1):
        match = _FILE_NAME.match(file.name)
        if match is None or int(match[1]) != expected:
            raise SchemaError(
                f"{package}/{file.name}: expected a file named {expected:04}_….sql"
            )
    return tuple(
        Migration(version, file.name, file.read_text("utf-8"))
        for version, file in enumerate(files, start=1)
    )


async def migrate(dsn: Sensitive[str], package: str, *, setting: str = "the DSN") -> list[str]:
    """The names of the files applied now; afterwards the schema has all of the package's.

    Every synchronous standby has it, too. Raises SchemaError if an applied file was edited or a
    file fails; StartRefusedError if the database cannot be used, which says why;
    AmbiguousCommitError if the wait for a standby was cancelled. What was applied before the
    failure stays.
    """
    migrations = read_migrations(package)
    settings = ConnectionSettings(dsn, "migrate", MIGRATION_TIMEOUT_SECONDS)
    try:
        connection = await (await fit_for_poolers(settings)).connect()
        try:
            await _create_tables(connection)
            applied = [
                m.name for m in migrations if await _applied_now(connection, m, migrations)
            ]
            # Also what an earlier run applied and could not tell that a standby has.
            await replicate(connection, await statements_for(connection))
            return applied
        finally:
            await connection.close(timeout=5)
    except (*CONNECT_ERRORS, StaleTimelineError) as error:
        raise start_problem(error, dsn, setting) from error


async def _create_tables(connection: Connection) -> None:
    try:
        await connection.execute(_CREATE_TABLES)
    except _CREATED_BY_ANOTHER:
        # Two at once may both find no table; Postgres refuses the second, who then finds it.
        await connection.execute(_CREATE_TABLES)


async def _applied_now(
    connection: Connection, migration: Migration, known: tuple[Migration, ...]
) -> bool:
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(_TAKE_TURN)
        rows = await connection.fetch(_READ_APPLIED)
        if migration.version in _applied_versions(rows, known):
            return False
        try:
            await connection.execute(migration.sql)
        except asyncpg.PostgresError as error:
            raise SchemaError(f"{migration.name}: {error.sqlstate} {error}") from error
        await connection.execute(_RECORD, migration.version, migration.name, migration.sha256)
    return True


def _applied_versions(rows: list[asyncpg.Record], known: tuple[Migration, ...]) -> list[int]:
    """The versions recorded. Raises SchemaError on a gap or an edited file."""
    versions = [row["version"] for row in rows]
    if versions != list(range(1, len(versions) + 1)):
        raise SchemaError("the schema's record of migrations has a gap")
    for row, migration in zip(rows, known, strict=False):
        if row["sha256"] != migration.sha256:
            raise SchemaError(f"{migration.name} was edited after it had been applied")
    return versions


async def check_schema(database: Database, package: str) -> None:
    """Returns if the code may run on the database's schema.

    Raises SchemaError unless it is at the code's last version or one beyond; UnavailableError.
    """
    known = read_migrations(package)
    command = f"python -m {package.partition('.')[0]} migrate"
    try:
        rows = await database.fetch(_READ_APPLIED)
    except asyncpg.UndefinedTableError as error:
        raise SchemaError(f"the database was never migrated: run `{command}`") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise SchemaError(
            "the role may not read schema_migrations: grant it the tables, or let it own them"
        ) from error
    at = len(_applied_versions(rows, known))
    if at not in (len(known), len(known) + 1):
        raise SchemaError(
            f"the schema is at version {at}, the code needs {len(known)} or {len(known) + 1}: "
            + (f"run `{command}`" if at < len(known) else "start newer code")
        )
