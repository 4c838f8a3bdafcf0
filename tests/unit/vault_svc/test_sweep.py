"""What the sweep erases, and what it must not."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chassis.errors import ConflictError
from chassis.metrics import Metrics
from chassis.sensitive import Sensitive
from tests.fakes.vault_svc.metadata import NEVER
from tests.fakes.vault_svc.stores import InMemorySealedValueStore, Rows
from tests.fakes.vault_svc.vault import NAMESPACE, Vault, a_write, prepared_by
from vault_svc.ports.metadata import (
    AlreadyWritten,
    Preparation,
    PreparedWrite,
    ReleasedPage,
    ReleasedPlace,
    ValueState,
    Write,
)
from vault_svc.ports.values import ValueKey
from vault_svc.use_cases.sweep import OVERLAP, SweepRule
from vault_svc.worker import SweepIntervals, SweepTelemetry, SweepWorker

DAY = 24 * 3600.0
WINDOW = SweepRule(7 * DAY, 0, page_size=2)


def replica_of(vault: Vault, rule: SweepRule) -> Vault:
    """Another process on the same rows, with a rule of its own."""
    return Vault(rows=vault.rows, clock=vault.clock, metadata=vault.known, sweep_rule=rule)


def always(answer: Preparation) -> Any:
    async def prepare(write: Write) -> Preparation | AlreadyWritten:
        return answer

    return prepare


def counted(vault: Vault) -> list[ReleasedPlace | None]:
    """Where each further reading of the released ids starts."""
    ask, asked = vault.known.released, []

    async def released(*, after: ReleasedPlace | None, limit: int) -> ReleasedPage:
        asked.append(after)
        return await ask(after=after, limit=limit)

    vault.known.released = released  # type: ignore[method-assign]
    return asked


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
    assert (await vault.known.released(after=None, limit=9)).keys == ()
    assert await vault.decrypt("a") == {"a": b"new"}


async def test_what_was_released_stays_for_the_recovery_window_after_it_was_heard_of() -> None:
    vault = Vault(sweep_rule=WINDOW)
    await vault.create("a")
    vault.known.delete(NAMESPACE, "a")
    vault.clock.advance(10 * DAY)  # no matter how long ago metadata says that it was

    assert await vault.sweep_up() == 0
    vault.clock.advance(7 * DAY - 10)
    assert await vault.sweep_up() == 0
    vault.clock.advance(10)
    assert await vault.sweep_up() == 1


async def test_an_id_is_acknowledged_only_after_its_bytes_are_gone() -> None:
    vault = Vault(sweep_rule=WINDOW)
    await vault.create("a")
    vault.known.delete(NAMESPACE, "a")

    await vault.sweep_up()
    assert {row.state for row in vault.known.ids.values()} == {ValueState.RELEASED}

    vault.clock.advance(7 * DAY)
    await vault.sweep_up()
    assert {row.state for row in vault.known.ids.values()} == {ValueState.ERASED}


@pytest.mark.parametrize("state", [ValueState.RELEASED, ValueState.ERASED, ValueState.REFUSED])
async def test_no_word_of_metadata_destroys_a_value_within_the_window(
    state: ValueState,
) -> None:
    vault = Vault(sweep_rule=WINDOW)
    await vault.create("a", b"hunter2")
    for row in vault.known.ids.values():
        row.state = state

    for _ in range(6):
        assert await vault.sweep_up() == 0
        vault.clock.advance(DAY)

    for row in vault.known.ids.values():
        row.state = ValueState.CLAIMED
    vault.clock.advance(30 * DAY)
    assert await vault.sweep_up() == 0
    assert await vault.decrypt("a") == {"a": b"hunter2"}
    assert [row.erase_at for row in vault.rows.values.values()] == [None]


async def test_rows_that_metadata_lost_destroy_nothing_within_the_window() -> None:
    """Not even a value that the vault did not yet know to be claimed."""
    vault = Vault(sweep_rule=WINDOW)
    await vault.create("a", b"hunter2")
    remembered = dict(vault.known.ids)
    vault.known.ids.clear()

    for _ in range(6):
        assert await vault.sweep_up() == 0
        vault.clock.advance(DAY)

    vault.known.ids.update(remembered)
    assert await vault.decrypt("a") == {"a": b"hunter2"}


async def test_a_time_of_erasure_is_not_moved_by_hearing_again_or_by_another_window() -> None:
    vault = Vault(sweep_rule=WINDOW)
    await vault.create("a")
    vault.known.delete(NAMESPACE, "a")
    await vault.sweep_up()
    first = [row.erase_at for row in vault.rows.values.values()]

    for rule in (WINDOW, SweepRule(0, 0, page_size=2)):
        other = replica_of(vault, rule)
        vault.clock.advance(60)
        assert await other.sweep_up() == 0

    assert [row.erase_at for row in vault.rows.values.values()] == first


@pytest.mark.parametrize("ahead_seconds", [30 * DAY, -30 * DAY])
async def test_one_clock_that_is_wrong_when_a_window_begins_does_not_shorten_it(
    ahead_seconds: float,
) -> None:
    vault = Vault(sweep_rule=WINDOW)
    await vault.create("a")
    vault.known.delete(NAMESPACE, "a")
    vault.clocks.ahead_seconds = ahead_seconds
    await vault.sweep_up()
    vault.clocks.ahead_seconds = 0
    vault.clock.advance(7 * DAY - 60)

    assert await vault.sweep_up() == 0


async def test_one_clock_that_jumps_ahead_erases_nothing_early() -> None:
    vault = Vault(sweep_rule=WINDOW)
    await vault.create("a")
    vault.known.delete(NAMESPACE, "a")
    await vault.sweep_up()

    vault.clocks.ahead_seconds = 30 * DAY

    assert await vault.sweep_up() == 0


async def test_a_write_that_the_vault_saw_fail_has_no_window() -> None:
    vault = Vault(sweep_rule=WINDOW)
    prepared = await prepared_by(vault.known, a_write("a"))
    await vault.known.refuse([ValueKey(NAMESPACE, prepared.value_id)])
    vault.known.prepare = always(Preparation(prepared, None))  # type: ignore[method-assign]

    with pytest.raises(ConflictError):
        await vault.create("a")

    assert await vault.sweep_up() == 1


async def test_a_write_that_died_has_the_window() -> None:
    vault = Vault(sweep_rule=WINDOW)
    await unclaimed(vault)

    assert await vault.sweep_up() == 0
    vault.clock.advance(7 * DAY)
    assert await vault.sweep_up() == 1


async def test_a_failed_write_that_metadata_then_calls_claimed_stays() -> None:
    vault = Vault(sweep_rule=WINDOW)
    await vault.create("a", b"hunter2")
    (key,) = vault.rows.values
    await vault.value_store.mark_failed(key, vault.clock.now())

    await vault.sweep_up()
    vault.known.ids.clear()
    await vault.sweep_up()

    assert await vault.decrypt("a") == {"a": b"hunter2"}


async def test_released_ids_are_read_on_from_where_the_last_reading_ended() -> None:
    vault = Vault(sweep_rule=WINDOW)
    for number in range(5):
        await vault.create(f"a{number}")
        vault.known.delete(NAMESPACE, f"a{number}")
        vault.clock.advance(3600)
    assert await vault.sweep.note_released() == 5
    asked = counted(vault)

    await vault.create("late")
    vault.known.delete(NAMESPACE, "late")

    assert await vault.sweep.note_released() == 1
    assert asked[0] is not None
    assert asked[0].released_at == vault.clock.now() - timedelta(hours=1) - OVERLAP


async def test_a_release_that_became_visible_late_is_still_heard_of() -> None:
    vault = Vault(sweep_rule=WINDOW)
    for name in ("slow", "quick"):
        await vault.create(name)
    slow, quick = (vault.known.live[NAMESPACE, name].value_id for name in ("slow", "quick"))
    vault.known.delete(NAMESPACE, "slow")
    row = vault.known.ids[ValueKey(NAMESPACE, slow)]
    row.state = ValueState.CLAIMED  # its transaction is not done yet
    vault.clock.advance(60)
    vault.known.delete(NAMESPACE, "quick")
    assert await vault.sweep.note_released() == 1
    row.state = ValueState.RELEASED

    assert await vault.sweep.note_released() == 1
    assert vault.rows.values[ValueKey(NAMESPACE, quick)].erase_at is not None


async def test_a_release_with_a_forged_time_is_found_by_the_slow_pass() -> None:
    vault = Vault(sweep_rule=WINDOW)
    for name in ("a", "b"):
        await vault.create(name)
        vault.known.delete(NAMESPACE, name)
    await vault.sweep.note_released()
    await vault.create("c")
    key = ValueKey(NAMESPACE, vault.known.live[NAMESPACE, "c"].value_id)
    vault.known.delete(NAMESPACE, "c")
    vault.known.ids[key].released_at = NEVER

    assert await vault.sweep.note_released() == 0
    vault.clock.advance(1)
    assert await vault.sweep.check_everything() == 1


async def test_erased_bytes_whose_acknowledgement_was_lost_are_acknowledged_later() -> None:
    vault = Vault()
    await vault.create("a")
    await vault.create("b")
    vault.known.delete(NAMESPACE, "a")
    await vault.sweep.note_released()
    vault.clock.advance(3600)
    vault.known.delete(NAMESPACE, "b")
    await vault.sweep.note_released()
    vault.rows.values.clear()

    await vault.sweep_up()

    assert {row.state for row in vault.known.ids.values()} == {ValueState.ERASED}


async def test_an_earlier_metadata_that_lists_by_key_is_swept_as_well() -> None:
    vault = Vault()
    vault.known.lists_by_key = True
    for number in range(5):
        await vault.create(f"a{number}")
        vault.known.delete(NAMESPACE, f"a{number}")

    assert await vault.sweep.note_released() == 5
    assert vault.sweep.heard.place is None


async def test_a_listing_that_two_versions_of_metadata_answer_in_turn_ends() -> None:
    vault = Vault()
    for number in range(9):
        await vault.create(f"a{number}")
        vault.known.delete(NAMESPACE, f"a{number}")
    ask = vault.known.released

    async def alternating(**asked: Any) -> ReleasedPage:
        vault.known.lists_by_key = not vault.known.lists_by_key
        return await ask(**asked)

    vault.known.released = alternating  # type: ignore[method-assign]

    async with asyncio.timeout(5):
        await vault.sweep.note_released()


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

    async def erase_due(
        self, keys: Sequence[ValueKey], *, now: datetime
    ) -> tuple[ValueKey, ...]:
        erased = await super().erase_due(keys, now=now)
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
