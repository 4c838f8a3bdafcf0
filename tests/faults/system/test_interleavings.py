"""Scripted meetings of writers, sweepers and deletes, on both real databases.

What metadata alone promises when calls meet is in tests/integration/metadata_svc
(test_concurrency.py); here the vault's bytes have to agree with the outcome as well.
"""

import asyncio
import random
from dataclasses import replace

from chassis.errors import (
    ConflictError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.contracts.metadata_svc.stores import put_keepers
from tests.fakes.metadata_svc.builders import a_keeper
from tests.faults.system.checker import broken_promises, violations
from tests.faults.system.installation import (
    NAME,
    TEAM,
    Installation,
    a_create,
    an_edit,
    an_update,
    create,
    update,
)
from tests.faults.system.scenarios import (
    ABSENT,
    FIRST,
    Once,
    answer_lost_then_another_writer,
    claim_and_sweep_waiting,
    claim_behind_a_refusal_under_way,
    claim_ended_while_the_sweep_waits,
    delete_before_a_waiting_update,
    every_answer_lost,
    sealed,
    sweep_before_a_late_claim,
    told,
    update_before_a_waiting_edit,
)
from tests.faults.system.wire import Deliver, LostError
from vault_svc.ports.metadata import SecureValue

SHORT_SECONDS = 0.5


def version_of(answer: SecureValue) -> int:
    return secure_value_pb2.SecureValue.FromString(answer).version


async def test_a_lost_answer_asked_for_after_another_writer_is_the_recorded_one(
    installation: Installation,
) -> None:
    answer, broken = await answer_lost_then_another_writer(installation)

    assert isinstance(answer, bytes)
    assert (version_of(answer), broken) == (2, [])


async def test_a_write_whose_every_answer_is_lost_is_unacknowledged_and_whole(
    installation: Installation,
) -> None:
    outcome, broken = await every_answer_lost(installation)

    assert (outcome, broken) == (UnavailableError, [])


async def test_a_lost_answer_asked_for_after_a_delete_brings_nothing_back(
    installation: Installation,
) -> None:
    async def delete_and_lose(deliver: Deliver) -> object:
        await deliver()
        await installation.metadata().delete(TEAM, NAME)
        await installation.vault().sweep_up()
        raise LostError

    vault = installation.vault(script=Once("Claim", delete_and_lose))

    answer = await vault.writes.write(a_create(TEAM), Sensitive(b"old"))

    assert version_of(answer) == 1
    assert await broken_promises(installation, ABSENT) == []


async def test_a_claim_that_comes_after_the_sweeper_did_not_happen(
    installation: Installation,
) -> None:
    outcome, broken = await sweep_before_a_late_claim(installation)

    assert (outcome, broken) == (ConflictError, [])


async def test_a_claim_that_waits_for_a_refusal_loses(installation: Installation) -> None:
    outcome, broken = await claim_behind_a_refusal_under_way(installation)

    assert (outcome, broken) == (ConflictError, [])


async def test_a_stalled_claim_that_goes_on_wins_against_the_sweeper(
    installation: Installation,
) -> None:
    outcome, broken = await claim_and_sweep_waiting(installation)

    assert (outcome, broken) == (None, [])


async def test_a_stalled_claim_that_is_ended_loses_to_the_sweeper_even_when_asked_again(
    installation: Installation,
) -> None:
    outcome, broken = await claim_ended_while_the_sweep_waits(installation)

    assert (outcome, broken) == (ConflictError, [])


async def test_an_update_behind_a_delete_finds_nothing(installation: Installation) -> None:
    outcome, broken = await delete_before_a_waiting_update(installation)

    assert (outcome, broken) == (NotFoundError, [])


async def test_an_edit_behind_an_update_keeps_the_new_value(installation: Installation) -> None:
    assert await update_before_a_waiting_edit(installation) == []


async def test_an_update_of_what_was_deleted_and_created_again_is_a_conflict(
    installation: Installation,
) -> None:
    await create(installation.vault(), TEAM, b"former")

    async def replace_it(deliver: Deliver) -> object:
        await installation.metadata().delete(TEAM, NAME)
        await create(installation.vault(), TEAM)
        return await deliver()

    vault = installation.vault(script=Once("Claim", replace_it))

    assert await told(update(vault, TEAM)) is ConflictError
    assert await broken_promises(installation, FIRST) == []


async def test_a_create_while_a_keeper_is_active_stores_nothing_yet(
    installation: Installation,
) -> None:
    await put_keepers(
        installation.metadata().stores, a_keeper(namespace=TEAM, name="aws", active=True)
    )

    assert await told(create(installation.vault(), TEAM)) is InvalidArgumentError
    assert await broken_promises(installation, ABSENT) == []
    assert await installation.vault_database.fetch("SELECT FROM data_keys") == []


async def test_a_write_whose_keeper_is_deleted_before_its_claim_leaves_nothing(
    installation: Installation,
) -> None:
    await put_keepers(
        installation.metadata().stores, a_keeper(namespace=TEAM, name="aws", active=True)
    )
    vault = installation.vault()
    # The vault itself would go no further with such a keeper; what it would store is put there.
    prepared = await sealed(vault)
    await installation.metadata_database.execute("DELETE FROM keepers")

    outcome = await told(vault.writes.metadata.claim(a_create(TEAM), prepared))

    assert (prepared.keeper, outcome) == ("aws", FailedPreconditionError)
    assert await broken_promises(installation, ABSENT) == []
    assert await installation.metadata_database.fetch("SELECT FROM names") == []


async def test_the_same_claim_many_times_at_once_is_one_write(
    installation: Installation,
) -> None:
    vault = installation.vault()
    prepared = await sealed(vault)

    answers = await asyncio.gather(
        *(installation.vault().writes._claim(a_create(TEAM), prepared) for _ in range(16))
    )

    assert set(answers) == {answers[0]}
    assert version_of(answers[0]) == 1
    assert await broken_promises(installation, FIRST) == []


async def test_two_sweepers_at_once_erase_what_one_would(installation: Installation) -> None:
    vault = installation.vault()
    for number in range(6):
        await sealed(vault, f"lost-{number}")
        await vault.writes.write(a_create(TEAM, f"gone-{number}"), Sensitive(b"x"))
        await installation.metadata().delete(TEAM, f"gone-{number}")
    await create(vault, TEAM)

    erased = await asyncio.gather(*(installation.vault().sweep_up() for _ in range(2)))

    assert sum(erased) == 12
    assert await broken_promises(installation, FIRST) == []


async def test_writers_beside_two_hasty_sweepers_leave_no_orphan(
    installation: Installation,
) -> None:
    done = asyncio.Event()

    async def keep_sweeping() -> None:
        vault = installation.vault()
        while not done.is_set():
            await vault.sweep_up()

    async def keep_writing(seed: int) -> set[object]:
        chance = random.Random(seed)
        return {await told(a_random_write(installation, chance)) for _ in range(12)}

    async with asyncio.TaskGroup() as sweepers:
        for _ in range(2):
            sweepers.create_task(keep_sweeping())
        outcomes = set().union(*await asyncio.gather(*map(keep_writing, range(6))))
        done.set()

    assert None in outcomes
    await installation.sweep_twice()
    assert await violations(installation) == []
    for name in NAMES:
        value, description = await installation.seen(TEAM, name)
        assert isinstance(value, bytes) == (description is not None)


NAMES = ("a", "b", "c")


async def a_random_write(installation: Installation, chance: random.Random) -> None:
    """One of the four, on one of the names, by processes of its own."""
    vault, metadata, name = installation.vault(), installation.metadata(), chance.choice(NAMES)
    match chance.randrange(4):
        case 0:
            await vault.writes.write(a_create(TEAM, name), Sensitive(b"old"))
        case 1:
            await vault.writes.write(an_update(TEAM, name), Sensitive(b"new"))
        case 2:
            await metadata.edit(replace(an_edit(TEAM), name=name))
        case _:
            await metadata.delete(TEAM, name)
