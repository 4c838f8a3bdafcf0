"""A process dies at every call of every port of both services; both databases are real.

- Three victims: the vault; metadata, which stays dead; metadata, which is back at once, so that
  the vault's next question reaches it.
- Both deaths are tried at each call: before its effect, and after it with the answer lost.
- Then the sweeper runs twice. What was acknowledged is there, what was not is there wholly or
  not at all, and the two databases agree about every value id.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum

import pytest

from chassis.errors import KnownError
from chassis.sensitive import Sensitive
from tests.contracts.metadata_svc.application import Application
from tests.fakes.vault_svc.fuse import Death, DiedError, Fuse
from tests.fakes.vault_svc.vault import Vault, prepared_by
from tests.faults.system.checker import violations
from tests.faults.system.installation import (
    NAME,
    Installation,
    Seen,
    a_create,
    an_edit,
    create,
    create_once,
    update,
)
from tests.faults.system.wire import Deliver, undisturbed
from vault_svc.ports.decisions import Answer

MOST_CALLS = 60
FEWEST_RUNS = 8
NOTHING: Seen = (Answer.NOT_FOUND, None)
FIRST: Seen = (b"old", "first")


class Victim(Enum):
    """Which process dies."""

    VAULT = "vault"
    METADATA = "metadata"
    METADATA_BRIEFLY = "metadata-briefly"


@dataclass
class Doomed:
    """The two processes of one run, one of them behind the fuse."""

    installation: Installation
    victim: Victim
    fuse: Fuse

    def __post_init__(self) -> None:
        in_metadata = self.victim is not Victim.VAULT
        self.metadata = self.installation.metadata(self.fuse if in_metadata else None)
        self.vault = self.installation.vault(
            metadata=self.metadata,
            script=self._restarting if self.victim is Victim.METADATA_BRIEFLY else undisturbed,
            fuse=None if in_metadata else self.fuse,
        )

    async def _restarting(self, _method: str, deliver: Deliver) -> object:
        try:
            return await deliver()
        finally:
            # The call that met the death is lost; the next one meets a new process.
            self.fuse.burnt = False


@dataclass(frozen=True)
class Saga:
    """What is done, and what a caller sees before and after it."""

    run: Callable[[Vault, Application, str], Awaitable[object]]
    before: Seen
    after: Seen
    # More that is there before, besides NAME.
    leftovers: Callable[[Installation, str], Awaitable[None]] | None = None


async def lose_and_delete(installation: Installation, namespace: str) -> None:
    """Something for each part of the sweep: an unclaimed value, and two released ones."""
    vault, metadata = installation.vault(), installation.metadata()
    lost = await prepared_by(vault.writes.metadata, a_create(namespace, "lost"))
    await vault.writes._store(namespace, lost, Sensitive(b"lost"))
    await vault.writes.write(a_create(namespace, "deleted"), Sensitive(b"x"))
    await metadata.delete(namespace, "deleted")
    await update(vault, namespace, b"newer")


async def released_and_due(vault: Vault) -> None:
    await vault.sweep.note_released()
    await vault.sweep.erase_due()


SWEPT: Seen = (b"newer", "second")
SAGAS = {
    "create": Saga(lambda v, _, ns: create(v, ns), NOTHING, FIRST),
    "create under a key": Saga(lambda v, _, ns: create_once(v, ns), NOTHING, FIRST),
    "update": Saga(lambda v, _, ns: update(v, ns), FIRST, (b"new", "second")),
    "edit": Saga(lambda _, m, ns: m.edit(an_edit(ns)), FIRST, (b"old", "second")),
    "delete": Saga(lambda _, m, ns: m.delete(ns, NAME), FIRST, NOTHING),
    "released": Saga(lambda v, *_: released_and_due(v), SWEPT, SWEPT, lose_and_delete),
    "unclaimed": Saga(lambda v, *_: v.sweep.refuse_unclaimed(), SWEPT, SWEPT, lose_and_delete),
    "everything": Saga(lambda v, *_: v.sweep.check_everything(), SWEPT, SWEPT, lose_and_delete),
}
# An edit and a delete pass the vault by.
IN_METADATA_ALONE = ("edit", "delete")


@pytest.mark.parametrize("saga", SAGAS)
async def test_a_death_anywhere_leaves_all_or_nothing_and_no_orphan(
    installation: Installation, saga: str
) -> None:
    for victim in (Victim.METADATA,) if saga in IN_METADATA_ALONE else Victim:
        seen = []
        for fuse in crash_points():
            namespace = f"{victim.value}-{fuse.burns_at}-{fuse.death.name.lower()}"
            doomed = Doomed(installation, victim, fuse)
            seen.append(await outcome(doomed, SAGAS[saga], namespace))

        assert set(seen) == {SAGAS[saga].before, SAGAS[saga].after}
        assert len(seen) >= FEWEST_RUNS


@pytest.mark.parametrize("known", [False, True], ids=["first ever", "known namespace"])
async def test_a_create_that_died_anywhere_is_sent_again_and_happens_once(
    installation: Installation, *, known: bool
) -> None:
    """Its caller heard nothing, or of an outage, and repeats it under the same key."""
    namespaces = []
    for victim in Victim:
        for fuse in crash_points():
            namespace = f"{victim.value}-{fuse.burns_at}-{fuse.death.name.lower()}"
            namespaces.append(namespace)
            if known:
                await installation.vault().fingerprint_keys.ready(namespace)
            doomed = Doomed(installation, victim, fuse)
            with contextlib.suppress(DiedError, KnownError):
                await create_once(doomed.vault, namespace)

            made = [await create_once(installation.vault(), namespace) for _ in range(2)]

            assert made == [made[0]] * 2
            assert (made[0].name, made[0].version) == (NAME, 1)
    installation.clock.advance(1)  # a sweep looks at what was stored before it began
    await installation.sweep_twice()
    assert await violations(installation) == []
    assert [await installation.seen(namespace) for namespace in namespaces] == (
        [FIRST] * len(namespaces)
    )
    assert len(namespaces) >= len(Victim) * FEWEST_RUNS


def crash_points() -> Iterator[Fuse]:
    """For each death one fuse after the other, until one was not reached."""
    for death in Death:
        for number in range(MOST_CALLS):
            fuse = Fuse(number, death)
            yield fuse
            if not burnt_down(fuse):
                break
        else:
            raise AssertionError("the saga did not end")


def burnt_down(fuse: Fuse) -> bool:
    return fuse.calls > fuse.burns_at


async def outcome(doomed: Doomed, saga: Saga, namespace: str) -> Seen:
    """What is seen after a run that died; every promise is checked."""
    installation = doomed.installation
    await prepare(installation, saga, namespace)
    acknowledged = await run(doomed, saga, namespace)
    await installation.sweep_twice()
    assert await violations(installation) == []
    seen = await installation.seen(namespace)
    assert seen == saga.after or (not acknowledged and seen == saga.before)
    if seen != NOTHING:
        await installation.metadata().delete(namespace, NAME)
        await installation.vault().sweep_up()
    return seen


async def prepare(installation: Installation, saga: Saga, namespace: str) -> None:
    if saga.before != NOTHING:
        await create(installation.vault(), namespace)
    if saga.leftovers:
        await saga.leftovers(installation, namespace)
    installation.clock.advance(1)  # a sweep looks at what was stored before it began


async def run(doomed: Doomed, saga: Saga, namespace: str) -> bool:
    """Whether it was acknowledged."""
    try:
        await saga.run(doomed.vault, doomed.metadata, namespace)
    except (DiedError, KnownError):
        # The caller of a process that died, and whoever was told of a peer's death.
        assert burnt_down(doomed.fuse)
        return False
    return True
