"""A Claim that is lost on its way and arrives after the vault has asked again.

Whoever was told that a write failed never finds it there later; whoever was told that its
outcome is not known may.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FailedPreconditionError,
    InvalidArgumentError,
    KnownError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.contracts.metadata_svc.stores import put_keepers
from tests.fakes.metadata_svc.builders import a_keeper
from tests.fakes.vault_svc.fuse import DiedError
from tests.fakes.vault_svc.vault import a_write, prepared_by
from tests.faults.system.checker import broken_promises, violations
from tests.faults.system.installation import (
    NAME,
    TEAM,
    Installation,
    a_create,
    an_update,
    create,
    create_once,
    update,
)
from tests.faults.system.scenarios import (
    ABSENT,
    FIRST,
    refused_create_that_arrives_late,
    sealed,
    told,
)
from tests.faults.system.test_crash_points import Doomed, Victim, crash_points
from tests.faults.system.wire import Deliver, LostError

AWS = a_keeper(namespace=TEAM, name="aws", active=True)
LIVE = "SELECT name FROM secure_values WHERE namespace = $1"
REFUSED = "SELECT value_id FROM value_ids WHERE namespace = $1 AND state = 'refused'"

# Whoever asked knows nothing of the outcome.
UNTOLD = (UnavailableError, DiedError)

Step = Callable[[], Awaitable[object]]


async def _nothing() -> None:
    """Nothing happens."""


@dataclass
class Overdue:
    """A script: the first Claim is lost, and arrives when the test says so.

    `meanwhile` happens before anyone notices; each further Claim is answered with `answer`,
    if there is one.
    """

    meanwhile: Step = _nothing
    answer: KnownError | None = None
    late: list[Deliver] = field(default_factory=list)

    async def __call__(self, method: str, deliver: Deliver) -> Any:
        if method != "Claim":
            return await deliver()
        if not self.late:
            self.late.append(deliver)
            await self.meanwhile()
            raise LostError
        if self.answer:
            raise self.answer
        return await deliver()

    async def arrive(self) -> Any:
        return await told(self.late[0]())


async def test_a_create_that_was_told_of_a_taken_name_never_happens(
    installation: Installation,
) -> None:
    outcome, arrived, broken = await refused_create_that_arrives_late(installation)

    assert (outcome, arrived, broken) == (AlreadyExistsError, ConflictError, [])


async def test_a_create_that_was_told_of_a_missing_keeper_never_happens(
    installation: Installation,
) -> None:
    """The vault itself would go no further with such a keeper; what it would store is there."""
    await put_keepers(installation.metadata().stores, AWS)
    lost = Overdue(lambda: installation.metadata_database.execute("DELETE FROM keepers"))
    vault = installation.vault(script=lost)
    prepared = await sealed(vault)

    outcome = await told(vault.writes._claim(a_create(TEAM), prepared))
    await put_keepers(installation.metadata().stores, AWS)

    assert (prepared.keeper, outcome) == ("aws", FailedPreconditionError)
    assert await lost.arrive() is ConflictError
    assert await broken_promises(installation, ABSENT) == []


async def test_an_update_that_was_told_of_nothing_to_update_never_happens(
    installation: Installation,
) -> None:
    await create(installation.vault(), TEAM, b"former")
    lost = Overdue(lambda: installation.metadata().delete(TEAM, NAME))

    outcome = await told(update(installation.vault(script=lost), TEAM))
    await create(installation.vault(), TEAM)

    assert (outcome, await lost.arrive()) == (NotFoundError, ConflictError)
    assert await broken_promises(installation, FIRST) == []


async def test_an_update_that_was_told_of_a_conflict_never_happens(
    installation: Installation,
) -> None:
    await create(installation.vault(), TEAM, b"former")

    async def replace_it() -> None:
        await installation.metadata().delete(TEAM, NAME)
        await create(installation.vault(), TEAM)

    lost = Overdue(replace_it)

    outcome = await told(update(installation.vault(script=lost), TEAM))

    assert (outcome, await lost.arrive()) == (ConflictError, ConflictError)
    assert len(await installation.metadata_database.fetch(REFUSED, TEAM)) == 1
    assert await broken_promises(installation, FIRST) == []


async def test_a_create_that_went_on_under_another_name_happens_once(
    installation: Installation,
) -> None:
    """Its first generated name was taken by another, who has gone when its Claim arrives."""
    generated: list[str] = []
    lost = Overdue(lambda: create_named(installation, generated[0]))

    async def listening(method: str, deliver: Deliver) -> Any:
        answer = await lost(method, deliver)
        if method == "Prepare":
            generated.append(answer.prepared.name)
        return answer

    vault = installation.vault(script=listening)
    made = await vault.writes.write(a_write("", namespace=TEAM), Sensitive(b"old"))
    await installation.metadata().delete(TEAM, generated[0])

    assert await lost.arrive() is ConflictError
    live = [row["name"] for row in await installation.metadata_database.fetch(LIVE, TEAM)]
    assert live == [secure_value_pb2.SecureValue.FromString(made).name] == generated[1:]
    await installation.sweep_twice()
    assert await violations(installation) == []


async def create_named(installation: Installation, name: str) -> None:
    await installation.vault().writes.write(a_create(TEAM, name), Sensitive(b"other"))


async def test_a_create_that_was_told_what_its_like_made_never_happens_itself(
    installation: Installation,
) -> None:
    """Under one idempotency key: not even after the key is forgotten."""
    lost = Overdue(lambda: create_once(installation.vault(), TEAM))

    made = await create_once(installation.vault(script=lost), TEAM)
    await installation.metadata().delete(TEAM, NAME)
    await installation.metadata().idempotency_keys.trim()

    assert made.version == 1
    assert await lost.arrive() is ConflictError
    assert await broken_promises(installation, ABSENT) == []


@pytest.mark.parametrize(
    "answer",
    [PermissionDeniedError(), UnauthenticatedError(), InvalidArgumentError()],
    ids=repr,
)
async def test_a_refusal_that_says_nothing_of_the_first_claim_leaves_it_open(
    installation: Installation, answer: KnownError
) -> None:
    lost = Overdue(answer=answer)

    outcome = await told(create(installation.vault(script=lost), TEAM))

    assert outcome is UnavailableError
    assert not isinstance(await lost.arrive(), type)
    assert await broken_promises(installation, FIRST) == []


async def test_a_late_claim_that_comes_before_the_second_is_what_both_are_told(
    installation: Installation,
) -> None:
    """It is late, and yet first: the second finds its outcome, though the name is taken."""
    await create(installation.vault(), TEAM)
    lost = Overdue()

    async def arrive_first(method: str, deliver: Deliver) -> Any:
        if method == "Claim" and lost.late:
            await lost.arrive()
        return await lost(method, deliver)

    vault = installation.vault(script=arrive_first)
    answer = await vault.writes.write(an_update(TEAM), Sensitive(b"new"))

    assert secure_value_pb2.SecureValue.FromString(answer).version == 2
    assert await broken_promises(installation, (b"new", "second")) == []


@pytest.mark.parametrize("victim", Victim)
async def test_a_death_before_a_failure_is_told_leaves_it_open_and_after_it_final(
    installation: Installation, victim: Victim
) -> None:
    """A create's first Claim is on its way, its name is taken, and the vault asks again."""
    told_of, open_still = set(), 0
    for fuse in crash_points():
        namespace = f"{victim.value}-{fuse.burns_at}-{fuse.death.name.lower()}"
        write, vault = a_create(namespace), installation.vault()
        prepared = await prepared_by(vault.writes.metadata, write)
        await vault.writes._store(namespace, prepared, Sensitive(b"old"))
        await create(installation.vault(), namespace, b"other")

        asking = Doomed(installation, victim, fuse).vault.writes
        outcome = await died_or_told(asking._claimed_already(write, prepared))
        await installation.metadata().delete(namespace, NAME)
        arrived = await told(vault.writes.metadata.claim(write, prepared))

        told_of.add(outcome)
        open_still += arrived is not ConflictError
        assert outcome in UNTOLD or arrived is ConflictError
        installation.clock.advance(1)  # a sweep looks at what was stored before it began
        await installation.sweep_twice()
        assert await violations(installation) == []
        seen = await installation.seen(namespace)
        assert seen == (ABSENT if arrived is ConflictError else FIRST)
    assert AlreadyExistsError in told_of
    # A metadata that is back at once is asked again, until the failure is final.
    assert (open_still > 0) == (victim is not Victim.METADATA_BRIEFLY)


async def died_or_told(asking: Awaitable[object]) -> object:
    try:
        return await told(asking)
    except DiedError:
        return DiedError
