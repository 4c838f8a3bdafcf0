"""What is done with the database alone, whether or not anything serves.

`python -m metadata_svc values` lists the values that the vault should hold, with the names that
`python -m vault_svc verify` needs to open them. The list is complete only with its last line,
which counts the others.
"""

from collections.abc import Iterator
from itertools import islice
from uuid import UUID

from chassis.config import StartRefusedError
from chassis.errors import UnavailableError
from chassis.json_lines import Line, line_problem, read_objects, write_object
from chassis.migrations import check_schema
from chassis.postgres import Database
from metadata_svc.config import MIGRATIONS, PREFIX, DatabaseConfig
from metadata_svc.domain.text import is_storable
from metadata_svc.domain.value_id import ListedValue, ValueKey
from metadata_svc.postgres.value_list import PostgresValueList

STATEMENT_SECONDS = 3600  # the list is sorted before its first line
BATCH = 500


async def list_values(config: DatabaseConfig, ids: str | None) -> None:
    """All values are on standard output, or those that the lines of the file `ids` name.

    Raises StartRefusedError if the database, its schema or the file is not usable.
    """
    try:
        database = await Database.connect(
            config.dsn,
            application_name="metadata_svc values",
            setting=f"{PREFIX}DSN",
            connections=2,
            statement_timeout_seconds=STATEMENT_SECONDS,
        )
        try:
            await check_schema(database, MIGRATIONS)
            await _list(PostgresValueList(database), ids)
        finally:
            await database.close()
    except UnavailableError as error:
        raise StartRefusedError((f"the database cannot be asked: {error}",)) from error


async def _list(values: PostgresValueList, ids: str | None) -> None:
    if ids is None:
        write_object({"count": await values.each(_write)})
        return
    keys = _keys(ids)
    while batch := tuple(islice(keys, BATCH)):
        for value in await values.find(batch):
            _write(value)


def _write(value: ListedValue) -> None:
    members = {
        "namespace": value.key.namespace,
        "valueId": str(value.key.value_id),
        "state": value.state or "unknown",
    }
    write_object(members if value.name is None else members | {"name": value.name})


def _keys(path: str) -> Iterator[ValueKey]:
    for line in read_objects(path):
        if line.object.keys() != {"count"}:
            yield _key(line)


def _key(line: Line) -> ValueKey:
    namespace, value_id = line.object.get("namespace"), line.object.get("valueId")
    if not isinstance(namespace, str) or not is_storable(namespace):
        raise line_problem(line.number, "must have a namespace")
    try:
        return ValueKey(namespace, UUID(str(value_id)))
    except ValueError:
        raise line_problem(line.number, "must have a valueId that is a UUID") from None
