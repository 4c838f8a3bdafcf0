"""What the sweep erases, and what it must not."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from chassis.metrics import Metrics
from chassis.sensitive import Sensitive
from tests.fakes.vault_svc.stores import InMemorySealedValueStore, Rows
from tests.fakes.vault_svc.vault import NAMESPACE, Vault, a_write, prepared_by
from vault_svc.ports.metadata import PreparedWrite
from vault_svc.ports.values import ValueKey
from vault_svc.use_cases.sweep import SweepRule
from vault_svc.worker import SweepIntervals, SweepTelemetry, SweepWorker


async def unclaimed(vault: Vault, name: str = "a") -> PreparedWrite:
    """A write whose process died between storing the value and claiming it."""
    prepared = await prepared_by(vault.known, a_write(name))
    await vault.writes._store(NAMESPACE, prepared, Sensitive(b"hunter2"))
    return prepared


async def test_what_an_update_replaced_is_erased_and_acknowledged() -> None:
    vault = Vault()
    await vault.create("a", b"old")
    await vault.update("a", b"new")

    assert await vault.sweep_up() == 1

    assert set(vault.rows.values) == vault.known.referenced()
    assert await vault.known.released(minimum_age_seconds=0, after=None, limit=9) == ()
    assert await vault.decrypt("a") == {"a": b"new"}


async def test_what_was_released_stays_for_the_grace() -> None:
    vault = Vault(sweep_rule=SweepRule(release_grace_seconds=60, unclaimed_age_seconds=0))
    await vault.create("a")
    vault.known.delete(NAMESPACE, "a")

    vault.clock.advance(59)
    assert await vault.sweep.erase_released() == 0

    vault.clock.advance(1)
    assert await vault.sweep.erase_released() == 1


async def test_what_nobody_claimed_is_refused_and_erased() -> None:
    vault = Vault()
    await unclaimed(vault)

    assert await vault.sweep_up() == 1

    assert vault.rows.values == {}


async def test_what_is_young_is_not_asked_about() -> None:
    vault = Vault(sweep_rule=SweepRule(unclaimed_age_seconds=60))
    await unclaimed(vault)
    vault.clock.advance(60)

    assert await vault.sweep.refuse_unclaimed() == 0
    assert vault.known.ids == {}


async def test_what_was_claimed_is_asked_about_once_and_stays() -> None:
    vault = Vault()
    await vault.create("a", b"hunter2")
    vault.clock.advance(1)

    assert await vault.sweep.refuse_unclaimed() == 0

    before = vault.clock.now()
    assert await vault.value_store.unclaimed(stored_before=before, after=None, limit=9) == ()
    assert await vault.decrypt("a") == {"a": b"hunter2"}


async def test_a_claim_after_the_refusal_fails_and_nothing_is_half_there() -> None:
    vault = Vault()
    prepared = await unclaimed(vault)
    await vault.sweep_up()

    outcome = await asyncio.gather(
        vault.known.claim(a_write("a"), prepared), return_exceptions=True
    )

    assert isinstance(outcome[0], Exception)
    assert vault.known.live == {}


async def test_a_metadata_that_forgot_everything_does_not_take_the_values_with_it() -> None:
    """As when its database is restored from before, is emptied, or is the wrong one."""
    vault = Vault()
    await vault.create("a", b"hunter2")
    await vault.sweep_up()
    remembered = vault.known.live, vault.known.ids
    vault.known.live, vault.known.ids = {}, {}

    assert await vault.sweep_up() == 0

    assert {key.namespace for key in vault.contradicted} == {NAMESPACE}
    vault.known.live, vault.known.ids = remembered
    assert await vault.decrypt("a") == {"a": b"hunter2"}


async def test_an_operator_may_give_up_what_metadata_forgot() -> None:
    vault = Vault()
    await vault.create("a", b"hunter2")
    await vault.sweep_up()
    vault.known.live, vault.known.ids = {}, {}
    for key, row in vault.rows.values.items():
        vault.rows.values[key] = replace(row, claimed_at=None)

    assert await vault.sweep_up() == 1

    assert vault.contradicted == []


async def test_the_full_check_erases_what_a_restored_backup_brought_back() -> None:
    vault = Vault()
    await vault.create("a")
    rows = dict(vault.rows.values)
    vault.known.delete(NAMESPACE, "a")
    await vault.sweep_up()
    vault.rows.values.update(rows)

    assert await vault.sweep_up() == 1
    assert vault.rows.values == {}


async def test_every_page_is_swept() -> None:
    vault = Vault()
    for number in range(7):
        await vault.create(f"live-{number}")
        await vault.create(f"gone-{number}")
        vault.known.delete(NAMESPACE, f"gone-{number}")
        await unclaimed(vault, f"lost-{number}")

    assert await vault.sweep_up() == 14

    assert set(vault.rows.values) == vault.known.referenced()
    assert len(vault.rows.values) == 7


async def test_two_replicas_that_sweep_at_once_do_no_harm() -> None:
    vault = Vault()
    for number in range(5):
        await vault.create(f"live-{number}")
        await unclaimed(vault, f"lost-{number}")
    vault.clock.advance(1)

    await asyncio.gather(*(vault.sweep_up() for _ in range(2)))

    assert set(vault.rows.values) == vault.known.referenced()


class WatchedStore(InMemorySealedValueStore):
    """Says when nothing is left."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self.empty = asyncio.Event()

    async def erase(self, keys: Sequence[ValueKey]) -> int:
        erased = await super().erase(keys)
        if not self.rows.values:
            self.empty.set()
        return erased


async def test_the_worker_sweeps_in_the_background_until_it_is_stopped() -> None:
    store, metrics, stopping = WatchedStore(Rows()), Metrics(), asyncio.Event()
    vault = Vault(rows=store.rows, values=store)
    await unclaimed(vault)
    vault.clock.advance(1)
    worker = SweepWorker(vault.sweep, SweepIntervals(0.01, 0.01), SweepTelemetry(metrics))

    running = asyncio.create_task(worker.run(stopping))
    async with asyncio.timeout(5):
        await store.empty.wait()
    stopping.set()
    await running

    assert b"vault_swept_values_total" in metrics.exposition()
