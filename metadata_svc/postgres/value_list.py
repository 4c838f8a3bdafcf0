"""Which values there are, and what they are called: for commands, not for serving."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg

from chassis.postgres import Connection, Database
from chassis.queries import load_queries
from metadata_svc.domain.value_id import ListedValue, ValueKey, ValueState


@dataclass(frozen=True, slots=True)
class _Queries:
    declare_list: str
    fetch_list: str
    find: str


class PostgresValueList:
    """Reads value ids with the names that point to them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load_queries(_Queries, "metadata_svc.postgres", "value_list.sql")

    async def each(self, tell: Callable[[ListedValue], None]) -> int:
        """Every value that the vault should hold was told, in the order of keys; how many.

        A live one has its name, a released one has none. Raises UnavailableError.
        """

        async def read(connection: Connection) -> int:
            count = 0
            await connection.execute(self._sql.declare_list)
            while rows := await connection.fetch(self._sql.fetch_list):
                count += len(rows)
                for row in rows:
                    tell(_listed(row))
            return count

        return await self._database.transact(read)

    async def find(self, keys: Sequence[ValueKey]) -> tuple[ListedValue, ...]:
        """What is known of each of these values, in order. Raises UnavailableError."""
        namespaces, ids = [key.namespace for key in keys], [key.value_id for key in keys]
        rows = await self._database.fetch(self._sql.find, namespaces, ids)
        return tuple(map(_listed, rows))


def _listed(row: asyncpg.Record) -> ListedValue:
    state = None if row["state"] is None else ValueState(row["state"])
    return ListedValue(ValueKey(row["namespace"], row["value_id"]), state, row["name"])
