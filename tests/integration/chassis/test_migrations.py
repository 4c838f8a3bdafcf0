"""Numbered files on a real Postgres."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from chassis.config import StartHinderedError
from chassis.migrations import SchemaError, check_schema, migrate, read_migrations
from chassis.postgres import Database
from chassis.sensitive import Sensitive

PACKAGE = "migrations_of_a_test"
FIRST = "CREATE TABLE numbers (n integer PRIMARY KEY); INSERT INTO numbers VALUES (1);"
SECOND = "ALTER TABLE numbers ADD COLUMN name text;"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    write(folder, "0001_numbers.sql", FIRST)
    return folder


@pytest.fixture
async def database(empty_dsn: Sensitive[str]) -> AsyncIterator[Database]:
    database = await Database.connect(empty_dsn, application_name="tests")
    yield database
    await database.close()


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)


async def test_files_are_applied_once_and_in_order(
    files: Path, empty_dsn: Sensitive[str]
) -> None:
    write(files, "0002_names.sql", SECOND)

    first = await migrate(empty_dsn, PACKAGE)
    again = await migrate(empty_dsn, PACKAGE)

    assert (first, again) == (["0001_numbers.sql", "0002_names.sql"], [])


async def test_a_later_file_is_applied_alone(files: Path, empty_dsn: Sensitive[str]) -> None:
    await migrate(empty_dsn, PACKAGE)
    write(files, "0002_names.sql", SECOND)

    assert await migrate(empty_dsn, PACKAGE) == ["0002_names.sql"]


@pytest.mark.usefixtures("files")
async def test_those_who_migrate_at_once_take_turns(
    empty_dsn: Sensitive[str], database: Database
) -> None:
    applied = await asyncio.gather(*(migrate(empty_dsn, PACKAGE) for _ in range(5)))

    assert sorted(len(names) for names in applied) == [0, 0, 0, 0, 1]
    assert len(await database.fetch("SELECT n FROM numbers")) == 1


async def test_an_applied_file_that_was_edited_is_refused(
    files: Path, empty_dsn: Sensitive[str], database: Database
) -> None:
    await migrate(empty_dsn, PACKAGE)
    write(files, "0001_numbers.sql", FIRST + "-- edited")

    with pytest.raises(SchemaError, match="edited"):
        await migrate(empty_dsn, PACKAGE)
    with pytest.raises(SchemaError, match="edited"):
        await check_schema(database, PACKAGE)


async def test_a_file_that_fails_leaves_nothing_of_itself(
    files: Path, empty_dsn: Sensitive[str], database: Database
) -> None:
    write(files, "0002_broken.sql", "CREATE TABLE half (n integer); SELECT nothing;")

    with pytest.raises(SchemaError, match="0002_broken"):
        await migrate(empty_dsn, PACKAGE)

    rows = await database.fetch("SELECT version FROM schema_migrations")
    assert [row["version"] for row in rows] == [1]
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.fetch("SELECT n FROM half")


@pytest.mark.parametrize(
    "name", ["0003_gap.sql", "2_short.sql", "0002-dash.sql", "0001_two.sql"]
)
def test_a_misnamed_file_is_refused(files: Path, name: str) -> None:
    write(files, name, "SELECT 1;")

    with pytest.raises(SchemaError, match="expected a file named"):
        read_migrations(PACKAGE)


@pytest.mark.usefixtures("files")
async def test_a_database_that_was_never_migrated_is_refused(database: Database) -> None:
    with pytest.raises(SchemaError, match="never migrated"):
        await check_schema(database, PACKAGE)


async def test_code_runs_on_its_own_version_and_one_beyond_and_no_further(
    files: Path, empty_dsn: Sensitive[str], database: Database
) -> None:
    write(files, "0002_names.sql", SECOND)
    write(files, "0003_more.sql", "CREATE TABLE more (n integer);")
    await migrate(empty_dsn, PACKAGE)

    await check_schema(database, PACKAGE)
    remove(files / "0003_more.sql")
    await check_schema(database, PACKAGE)
    remove(files / "0002_names.sql")
    with pytest.raises(SchemaError, match="at version 3, the code needs 1 or 2"):
        await check_schema(database, PACKAGE)


async def test_code_does_not_run_on_a_schema_behind_it(
    files: Path, empty_dsn: Sensitive[str], database: Database
) -> None:
    await migrate(empty_dsn, PACKAGE)
    write(files, "0002_names.sql", SECOND)

    with pytest.raises(SchemaError, match="at version 1"):
        await check_schema(database, PACKAGE)


@pytest.mark.usefixtures("files")
async def test_a_database_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StartHinderedError):
        await migrate(Sensitive("postgresql://u:p@127.0.0.1:1/x"), PACKAGE)


def remove(file: Path) -> None:
    file.unlink()
