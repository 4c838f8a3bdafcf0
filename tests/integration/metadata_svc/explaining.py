"""What a statement reads to do its work, as Postgres counts it."""

import json
from typing import Any

from chassis.postgres import Connection


async def explained(
    connection: Connection, statement: str, arguments: tuple[object, ...]
) -> dict[str, int]:
    """Rows that scans produced or threw away, and buffers touched, by the second execution."""
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
    await connection.fetchval(explain, *arguments)  # the catalogue's own pages are read once
    (plan,) = json.loads(await connection.fetchval(explain, *arguments))
    return {
        "rows": sum(_rows(node) for node in _nodes(plan["Plan"])),
        "buffers": plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"],
    }


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


def _rows(node: dict[str, Any]) -> int:
    if "Scan" not in node["Node Type"] or "Relation Name" not in node:
        return 0
    rejected = sum(node.get(key, 0) for key in node if key.startswith("Rows Removed by"))
    return int((node["Actual Rows"] + rejected) * node["Actual Loops"])
