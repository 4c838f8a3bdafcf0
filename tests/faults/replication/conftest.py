"""Pairs of servers for the tests of one file; and both services on two of them."""

import os
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from chassis.migrations import migrate
from chassis.postgres import Database
from tests.faults.replication.fail_overs import FailOvers
from tests.faults.replication.nodes import Pair, pairs
from tests.faults.system.installation import Installation

STATEMENT_SECONDS = 0.4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    async with pairs(tmp_path_factory.mktemp("nodes") / "state", "only") as made:
        yield made["only"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fail_overs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FailOvers]:
    """Both services on a pair each, with commits that their callers soon give up."""
    state = tmp_path_factory.mktemp("nodes") / "state"
    async with pairs(state, "metadata", "vault") as made:
        for name, pair in made.items():
            await migrate(pair.dsn, f"{name}_svc.postgres.migrations")
        metadata, vault = [
            await Database.connect(
                pair.dsn,
                application_name=name,
                connections=16,
                statement_timeout_seconds=STATEMENT_SECONDS,
            )
            for name, pair in made.items()
        ]
        installation = Installation(metadata, vault, metadata_dsn=made["metadata"].dsn)
        try:
            yield FailOvers(
                installation,
                made,
                seed=os.environ.get("SPLITKEEP_TEST_SEED") or f"s{secrets.randbelow(10**6)}",
            )
        finally:
            await metadata.close()
            await vault.close()
