"""Writers, sweepers and deletes that meet at the narrowest places; each says what broke.

Run on the services as they are nothing breaks (test_interleavings.py); on services with a
planted fault something does (test_mutants.py).
"""

import asyncio
import itertools
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from chassis.errors import KnownError
from chassis.sensitive import Sensitive
from tests.fakes.vault_svc.vault import Vault, prepared_by
from tests.faults.system.checker import broken_promises
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
from tests.faults.system.wire import Deliver, LostError
from tests.integration.metadata_svc.holding import transaction_open, until_waiting
from vault_svc.ports.decisions import Answer
from vault_svc.ports.metadata import PreparedWrite, SecureValue

T = TypeVar("T")

HOLD_ROW = "SELECT name FROM secure_values WHERE namespace = $1 AND name = $2 FOR UPDATE"
HOLD_COUNTER = "SELECT value FROM counters WHERE namespace = $1 FOR UPDATE"
DECIDE_ID = "INSERT INTO value_ids (namespace, value_id, state) VALUES ($1, $2, 'refused')"
# As the statement's own time-out would.
END_WAITING_CLAIM = """
SELECT pg_cancel_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'
"""

ABSENT = (Answer.NOT_FOUND, None)
FIRST = (b"old", "first")
SECOND = (b"new", "second")


@dataclass
class Once:
    """A script that interferes with the first call of one method, and lets all others pass."""

    method: str
    interfere: Any  # awaited with `deliver` in the call's place
    spent: bool = False

    async def __call__(self, method: str, deliver: Deliver) -> Any:
        if method != self.method or self.spent:
            return await deliver()
        self.spent = True
        return await self.interfere(deliver)


async def told(work: Awaitable[T]) -> T | type[KnownError]:
    """What whoever asked is told: an answer, or an error of the vocabulary."""
    try:
        return await work
    except KnownError as error:
        return type(error)


async def sealed(vault: Vault, name: str = NAME) -> PreparedWrite:
    """A create that has come as far as Claim: prepared, its value committed."""
    prepared = await prepared_by(vault.writes.metadata, a_create(TEAM, name))
    await vault.writes._store(TEAM, prepared, Sensitive(b"old"))
    return prepared


async def answer_lost_then_another_writer(
    installation: Installation,
) -> tuple[SecureValue | type[KnownError], list[str]]:
    """An update's answer is lost, another writer updates, then the first is asked again."""

    async def lose(deliver: Deliver) -> Any:
        await deliver()
        await update(installation.vault(), TEAM)
        raise LostError

    await create(installation.vault(), TEAM)
    vault = installation.vault(script=Once("Claim", lose))
    outcome = await told(vault.writes.write(an_update(TEAM), Sensitive(b"older")))
    return outcome, await broken_promises(installation, SECOND)


async def every_answer_lost(installation: Installation) -> tuple[object, list[str]]:
    """Claim happens and the vault is never told, however often it asks."""

    async def lose(method: str, deliver: Deliver) -> Any:
        answer = await deliver()
        if method == "Claim":
            raise LostError
        return answer

    outcome = await told(create(installation.vault(script=lose), TEAM))
    return outcome, await broken_promises(installation, FIRST)


async def sweep_before_a_late_claim(installation: Installation) -> tuple[object, list[str]]:
    """Claim is under way for so long that the sweeper comes first."""

    async def sweep_first(deliver: Deliver) -> Any:
        await installation.vault().sweep_up()
        return await deliver()

    late = installation.vault(script=Once("Claim", sweep_first))
    outcome = await told(late.writes.write(a_create(TEAM), Sensitive(b"old")))
    expected = ABSENT if isinstance(outcome, type) else FIRST
    return outcome, await broken_promises(installation, expected)


async def refused_create_that_arrives_late(
    installation: Installation,
) -> tuple[object, object, list[str]]:
    """A create's Claim is lost on its way; when asked again, another has taken the name.

    The other one is deleted, and then the first Claim arrives.
    """
    late: list[Deliver] = []

    async def lose(deliver: Deliver) -> Any:
        late.append(deliver)
        await create(installation.vault(), TEAM, b"other")
        raise LostError

    vault = installation.vault(script=Once("Claim", lose))
    outcome = await told(create(vault, TEAM))
    await installation.metadata().delete(TEAM, NAME)
    arrived = await told(late[0]())
    return outcome, arrived, await broken_promises(installation, ABSENT)


async def delete_before_a_waiting_update(
    installation: Installation,
) -> tuple[object, list[str]]:
    """A delete is about to commit when an update's Claim looks at the same name."""
    await create(installation.vault(), TEAM)
    database = installation.metadata_database
    async with transaction_open(installation.metadata_dsn) as other:
        await other.execute(HOLD_COUNTER, TEAM)
        deleting = asyncio.ensure_future(installation.metadata().delete(TEAM, NAME))
        await until_waiting(database, 1)
        updating = asyncio.ensure_future(told(update(installation.vault(), TEAM)))
        await until_waiting(database, 2)
    await deleting
    outcome = await updating
    expected = ABSENT if isinstance(outcome, type) else SECOND
    return outcome, await broken_promises(installation, expected)


async def update_before_a_waiting_edit(installation: Installation) -> list[str]:
    """An update's Claim is about to commit when an edit looks at the same name."""
    await create(installation.vault(), TEAM)
    database = installation.metadata_database
    async with transaction_open(installation.metadata_dsn) as other:
        await other.execute(HOLD_COUNTER, TEAM)
        updating = asyncio.ensure_future(update(installation.vault(), TEAM))
        await until_waiting(database, 1)
        editing = asyncio.ensure_future(installation.metadata().edit(an_edit(TEAM)))
        await until_waiting(database, 2)
    await asyncio.gather(updating, editing)
    return await broken_promises(installation, SECOND)


async def claim_and_sweep_waiting(installation: Installation) -> tuple[object, list[str]]:
    """An update's Claim stalls on a lock, the sweeper asks about its value, both go on."""
    await create(installation.vault(), TEAM)
    async with transaction_open(installation.metadata_dsn) as other:
        await other.execute(HOLD_ROW, TEAM, NAME)
        updating = asyncio.ensure_future(told(update(installation.vault(), TEAM)))
        await until_waiting(installation.metadata_database, 1)
        sweeping = asyncio.ensure_future(installation.vault().sweep_up())
        await until_waiting(installation.metadata_database, 2)
    await sweeping
    outcome = await updating
    expected = FIRST if isinstance(outcome, type) else SECOND
    return outcome, await broken_promises(installation, expected)


async def claim_ended_while_the_sweep_waits(
    installation: Installation,
) -> tuple[object, list[str]]:
    """As before, but the stalled Claim is ended by its time-out; then the vault asks again."""
    await create(installation.vault(), TEAM)
    claims, swept = itertools.count(), asyncio.Event()

    async def first_sweep_then_ask_again(method: str, deliver: Deliver) -> Any:
        if method == "Claim" and next(claims) > 0:
            await swept.wait()
        return await deliver()

    async with transaction_open(installation.metadata_dsn) as other:
        await other.execute(HOLD_ROW, TEAM, NAME)
        vault = installation.vault(script=first_sweep_then_ask_again)
        updating = asyncio.ensure_future(told(update(vault, TEAM)))
        await until_waiting(installation.metadata_database, 1)
        sweeping = asyncio.ensure_future(installation.vault().sweep_up())
        await until_waiting(installation.metadata_database, 2)
        await other.execute(END_WAITING_CLAIM)
        await sweeping
        swept.set()
    return await updating, await broken_promises(installation, FIRST)


async def claim_behind_a_refusal_under_way(
    installation: Installation,
) -> tuple[object, list[str]]:
    """The sweeper has refused the id and not yet committed when Claim takes it."""
    vault = installation.vault()
    # Refuse decides ids in their order: stalled on the last, it has decided the first.
    first, last = sorted(
        [await sealed(vault), await sealed(vault)], key=lambda prepared: prepared.value_id
    )
    installation.clock.advance(1)
    async with transaction_open(installation.metadata_dsn) as other:
        await other.execute(DECIDE_ID, TEAM, last.value_id)
        sweeping = asyncio.ensure_future(installation.vault().sweep.refuse_unclaimed())
        await until_waiting(installation.metadata_database, 1)
        claiming = asyncio.ensure_future(told(vault.writes._claim(a_create(TEAM), first)))
        await until_waiting(installation.metadata_database, 2)
    await sweeping
    outcome = await claiming
    return outcome, await broken_promises(
        installation, ABSENT if isinstance(outcome, type) else FIRST
    )
