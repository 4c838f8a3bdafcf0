"""Holding a lock from outside, and seeing who waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from chassis.postgres import Connection, Database
from chassis.sensitive import Sensitive

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
PATIENCE_SECONDS = 4.0  # less than the statement timeout that would end the wait


@asynccontextmanager
async def transaction_open(dsn: Sensitive[str]) -> AsyncIterator[Connection]:
    """Someone else's transaction; commits at the end of the block."""
    connection = await asyncpg.connect(dsn.reveal())
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def until_waiting(database: Database, count: int) -> None:
    """Returns once this many statements wait for a lock."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            row = await database.fetchrow(WAITING)
            if row is not None and row["count"] >= count:
                return
            await asyncio.sleep(0.005)  # the server tells nobody when someone begins to wait
