"""What must be true of both databases once the sweeper has been through."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from chassis.postgres import Database
from tests.faults.system.installation import TEAM, Installation, Seen

Key = tuple[str, UUID]

LIVE = "SELECT namespace, value_id FROM secure_values"
IDS = "SELECT namespace, value_id, state, outcome IS NOT NULL AS recorded FROM value_ids"
KEPT = "SELECT namespace, value_id FROM sealed_values"
# A write takes a number and records its change, or neither: numbers have no gap.
GAPS = """
SELECT namespace FROM counters FULL JOIN (
    SELECT namespace, max(resource_version) AS newest, count(*) AS written
    FROM changes GROUP BY namespace
) AS recorded USING (namespace)
WHERE value IS DISTINCT FROM newest OR value IS DISTINCT FROM written
"""
# The last recorded change of a name says what is live, or that nothing is.
STALE_HISTORY = """
SELECT namespace, name FROM (
    SELECT DISTINCT ON (namespace, name) namespace, name, type, resource_version
    FROM changes ORDER BY namespace, name, resource_version DESC
) AS newest
FULL JOIN secure_values AS live USING (namespace, name)
WHERE (newest.type = 'DELETED') IS DISTINCT FROM (live.uid IS NULL)
   OR newest.resource_version <> live.resource_version
"""
SELECTED = """
SELECT namespace, name FROM secure_value_decrypters EXCEPT
SELECT namespace, name FROM secure_values, unnest(decrypters)
UNION ALL
SELECT namespace, name FROM secure_value_labels EXCEPT
SELECT namespace, name FROM secure_values, jsonb_each(labels)
"""
# A search finds every live name by each of its words, and no other.
FOUND = """
WITH wanted AS (
    SELECT s.namespace, f.suffix, s.name
    FROM secure_values AS s, name_suffixes(s.name) AS f (suffix)
)
(SELECT namespace, suffix, name FROM secure_value_suffixes EXCEPT TABLE wanted)
UNION ALL
(TABLE wanted EXCEPT SELECT namespace, suffix, name FROM secure_value_suffixes)
"""

# Whoever takes an idempotency key records what it made, or takes nothing.
TAKEN_FOR_NOTHING = "SELECT namespace FROM idempotency_keys WHERE outcome IS NULL"


@dataclass(frozen=True)
class _Books:
    """What the two databases say of value ids."""

    live: frozenset[Key]
    kept: frozenset[Key]
    states: dict[Key, str]
    recorded: frozenset[Key]

    def having(self, *states: str) -> frozenset[Key]:
        return frozenset(key for key, state in self.states.items() if state in states)


async def broken_promises(installation: Installation, *expected: Seen) -> list[str]:
    """What is wrong after two sweeps; a reader of `TEAM` should get one of those expected."""
    await installation.sweep_twice()
    broken = await violations(installation)
    if await installation.seen(TEAM) not in expected:
        broken.append("a reader gets something else")
    return broken


async def violations(installation: Installation) -> list[str]:
    """Every promise that the two databases break, in words, once the sweeper has been."""
    books = await _books(installation)
    database = installation.metadata_database
    return [
        *_about_values(books),
        *[f"a gap in the history of {row[0]}" for row in await database.fetch(GAPS)],
        *[f"{row[1]}'s history is stale" for row in await database.fetch(STALE_HISTORY)],
        *[f"{row[1]} is selected as it was" for row in await database.fetch(SELECTED)],
        *[f"{row[2]} is searched for as it was" for row in await database.fetch(FOUND)],
        *[f"a key without outcome in {r[0]}" for r in await database.fetch(TAKEN_FOR_NOTHING)],
    ]


def _about_values(books: _Books) -> Iterator[str]:
    claimed = books.having("claimed")
    broken = {
        "live without bytes": books.live - books.kept,
        "bytes that nothing points to": books.kept - books.live,
        "live and not claimed": books.live - claimed,
        "claimed and not live": claimed - books.live,
        "released and not erased": books.having("released"),
        "refused with an outcome": books.having("refused") & books.recorded,
        "claimed without an outcome": claimed - books.recorded,
    }
    for what, keys in broken.items():
        for namespace, value_id in sorted(keys):
            yield f"{what}: {namespace} {value_id}"


async def _books(installation: Installation) -> _Books:
    ids = await installation.metadata_database.fetch(IDS)
    return _Books(
        live=await _keys(installation.metadata_database, LIVE),
        kept=await _keys(installation.vault_database, KEPT),
        states={(row["namespace"], row["value_id"]): row["state"] for row in ids},
        recorded=frozenset((r["namespace"], r["value_id"]) for r in ids if r["recorded"]),
    )


async def _keys(database: Database, query: str) -> frozenset[Key]:
    rows = await database.fetch(query)
    return frozenset((row["namespace"], row["value_id"]) for row in rows)
