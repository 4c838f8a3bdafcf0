"""What a statement reads to do its work, as Postgres counts it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from chassis.postgres import Connection

_TIMES_PLANNED_APART = 5


@dataclass(frozen=True)
class Work:
    """Rows that scans produced or threw away, buffers touched, indexes that named rows."""

    rows: int
    buffers: int
    indexes: frozenset[str]


async def explained(
    connection: Connection, statement: str, arguments: tuple[object, ...]
) -> Work:
    """The work of the second execution, planned for these arguments."""
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
    await connection.fetchval(explain, *arguments)  # the catalogue's own pages are read once
    return _work(await connection.fetchval(explain, *arguments))


async def explained_when_used_to_it(
    connection: Connection, statement: str, arguments: tuple[object, ...]
) -> Work:
    """The work as a connection does it that has prepared the statement and run it often.

    From the sixth time on Postgres may plan for any arguments alike.
    """
    await connection.execute(f"PREPARE asked AS {statement}")
    execute = f"EXECUTE asked ({', '.join(map(_literal, arguments))})"
    for _ in range(_TIMES_PLANNED_APART):
        await connection.execute(execute)
    work = _work(
        await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {execute}")
    )
    await connection.execute("DEALLOCATE asked")
    return work


async def explained_as_planned_before(
    connection: Connection,
    statement: str,
    arguments: tuple[object, ...],
    fill: Callable[[], Awaitable[None]],
) -> Work:
    """The work after `fill`, as a connection does it that made its plan before, for good.

    No vacuum may come in between: what it learns has every plan made anew.
    """
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE asked AS {statement}")
    execute = f"EXECUTE asked ({', '.join(map(_literal, arguments))})"
    await connection.execute(execute)
    await fill()
    work = _work(
        await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {execute}")
    )
    await connection.execute("DEALLOCATE asked; RESET plan_cache_mode")
    return work


async def plans_made(
    connection: Connection, statement: str, arguments: tuple[object, ...]
) -> int:
    """How many plans a connection makes for twenty executions of the statement."""
    prepared = await connection.prepare(statement)
    for _ in range(20):
        await prepared.fetch(*arguments)
    made: int = await connection.fetchval(
        "SELECT custom_plans FROM pg_prepared_statements WHERE name = $1", prepared.get_name()
    )
    return made


async def explained_for_any_arguments(
    connection: Connection, statement: str, arguments: tuple[object, ...]
) -> Work:
    """The work as planned without a look at the arguments."""
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    work = await explained_when_used_to_it(connection, statement, arguments)
    await connection.execute("RESET plan_cache_mode")
    return work


def _work(explanation: str) -> Work:
    (plan,) = json.loads(explanation)
    nodes = _nodes(plan["Plan"])
    return Work(
        rows=sum(map(_rows, nodes)),
        buffers=plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"],
        indexes=frozenset(
            node["Index Name"] for node in nodes if "Index Name" in node and _named(node)
        ),
    )


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


def _rows(node: dict[str, Any]) -> int:
    if "Scan" not in node["Node Type"] or "Relation Name" not in node:
        return 0
    rejected = sum(node.get(key, 0) for key in node if key.startswith("Rows Removed by"))
    return int((node["Actual Rows"] + rejected) * node["Actual Loops"])


def _named(node: dict[str, Any]) -> bool:
    return bool(node["Actual Rows"] and node["Actual Loops"])


def _literal(argument: object) -> str:
    if argument is None:
        return "NULL"
    if isinstance(argument, (list, tuple)):
        return f"ARRAY[{', '.join(map(_literal, argument))}]::text[]"
    return str(argument) if isinstance(argument, int) else f"'{argument}'"
