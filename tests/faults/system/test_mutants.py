"""Planted faults: each is found by a scenario that passes on the services as they are.

Faults that metadata shows alone are planted in tests/integration/metadata_svc
(test_concurrency.py: an edit without the row lock, a Claim that overrides a refusal) and in
tests/stateful/metadata_svc; here are those that only the vault's bytes give away.
"""

from collections.abc import Sequence
from dataclasses import replace

from chassis.errors import UnavailableError
from metadata_svc.postgres.transactions import TransactionQueries
from tests.faults.system.checker import broken_promises
from tests.faults.system.installation import TEAM, Installation, create, update
from tests.faults.system.scenarios import (
    FIRST,
    SECOND,
    answer_lost_then_another_writer,
    delete_before_a_waiting_update,
    every_answer_lost,
    refused_create_that_arrives_late,
    sweep_before_a_late_claim,
    update_before_a_waiting_edit,
)
from vault_svc.ports.metadata import PreparedWrite, SecureValue, Write
from vault_svc.ports.values import ValueKey
from vault_svc.use_cases.sweep import Sweep
from vault_svc.use_cases.writes import Writes


def patched(statement: str, old: str, new: str) -> str:
    assert old in statement, "the fault cannot be planted: the statement has changed"
    return statement.replace(old, new)


def with_value_ids(installation: Installation, **statements: str) -> None:
    queries = installation.queries
    faulty = replace(queries.value_ids, **statements)
    installation.queries = replace(queries, value_ids=faulty)


def without_row_lock(installation: Installation) -> None:
    queries: TransactionQueries = installation.queries
    unlocked = patched(queries.secure_values.lock, "FOR UPDATE", "")
    faulty = replace(queries.secure_values, lock=unlocked)
    installation.queries = replace(queries, secure_values=faulty)


def found(broken: list[str]) -> set[str]:
    """What kinds of promises are broken."""
    return {promise.partition(":")[0] for promise in broken}


def with_refusals_that_insert_nothing(installation: Installation) -> None:
    states = patched(
        installation.queries.value_ids.states,
        "SELECT v.namespace, v.value_id, v.state",
        "SELECT asked.*, coalesce(v.state, 'refused') AS state",
    )
    with_value_ids(
        installation,
        refuse="SELECT $1::text [], $2::uuid []",
        states=patched(states, "INNER JOIN", "LEFT JOIN"),
    )


async def test_a_refuse_that_says_refused_and_inserts_nothing_is_found_out(
    installation: Installation,
) -> None:
    with_refusals_that_insert_nothing(installation)

    _, broken = await sweep_before_a_late_claim(installation)

    assert "live without bytes" in found(broken)


async def test_a_failed_claim_that_refuses_nothing_is_found_out(
    installation: Installation,
) -> None:
    with_refusals_that_insert_nothing(installation)

    outcome, _, broken = await refused_create_that_arrives_late(installation)

    assert isinstance(outcome, type)  # told that it failed, and it happens
    assert "a reader gets something else" in found(broken)


async def test_a_claim_that_moves_the_pointer_twice_is_found_out(
    installation: Installation,
) -> None:
    claim = patched(
        installation.queries.value_ids.claim,
        "DO NOTHING",
        "DO UPDATE SET state = 'claimed', released_at = NULL",
    )
    with_value_ids(installation, claim=claim)

    _, broken = await answer_lost_then_another_writer(installation)

    assert "a reader gets something else" in found(broken)


async def test_a_claim_that_records_no_outcome_is_found_out(
    installation: Installation,
) -> None:
    record = patched(
        installation.queries.value_ids.record, "SET outcome = $3", "SET outcome = outcome"
    )
    with_value_ids(installation, record=f"{record} AND $3::jsonb IS NOT NULL")

    answer, broken = await answer_lost_then_another_writer(installation)

    assert isinstance(answer, type)  # told that it failed, and it happened
    assert found(broken) == {"claimed without an outcome"}


async def test_a_claim_that_releases_nothing_is_found_out(installation: Installation) -> None:
    release = patched(
        installation.queries.value_ids.release, "state = 'claimed'", "state = 'none'"
    )
    with_value_ids(installation, release=release)

    await create(installation.vault(), TEAM)
    await update(installation.vault(), TEAM)

    assert found(await broken_promises(installation, SECOND)) == {
        "bytes that nothing points to",
        "claimed and not live",
    }


async def test_a_claim_without_the_row_lock_acknowledges_what_a_delete_removed(
    installation: Installation,
) -> None:
    without_row_lock(installation)

    outcome, broken = await delete_before_a_waiting_update(installation)

    assert outcome is None  # acknowledged
    assert {"a reader gets something else", "claimed and not live"} <= found(broken)


async def test_an_edit_without_the_row_lock_brings_an_erased_value_back(
    installation: Installation,
) -> None:
    without_row_lock(installation)

    broken = await update_before_a_waiting_edit(installation)

    assert {"live without bytes", "live and not claimed"} <= found(broken)


class ErasingWrites(Writes):
    """Cleans up after a Claim whose answer it did not get."""

    async def _claim(self, write: Write, prepared: PreparedWrite) -> SecureValue:
        try:
            return await Writes._claim(self, write, prepared)
        except UnavailableError:
            key, now = ValueKey(write.namespace, prepared.value_id), self.clock.now()
            await self.values.schedule([key], heard_at=now, erase_at=now)
            await self.values.erase_due([key], now=now)
            raise


async def test_a_vault_that_erases_on_an_ambiguous_answer_is_found_out(
    installation: Installation,
) -> None:
    installation.writes_kind = ErasingWrites

    _, broken = await every_answer_lost(installation)

    assert "live without bytes" in found(broken)


class TrustingSweep(Sweep):
    """Takes what the vault does not know to be claimed for unclaimed."""

    async def _settle(self, keys: Sequence[ValueKey]) -> int:
        now = self.clock.now()
        await self.values.schedule(keys, heard_at=now, erase_at=now)
        return len(await self.values.erase_due(keys, now=now))


async def test_a_sweeper_that_does_not_ask_is_found_out(installation: Installation) -> None:
    installation.sweep_kind = TrustingSweep

    await create(installation.vault(), TEAM)

    assert "live without bytes" in found(await broken_promises(installation, FIRST))
