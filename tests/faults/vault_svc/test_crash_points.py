"""The process dies at every call of every port; after two sweeps all is well.

Both deaths are tried at each call: before its effect, and after it with the answer lost. What
happened happened wholly or not at all, every live value decrypts, and the vault holds exactly
the values that metadata points to.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from chassis.errors import KnownError
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from tests.fakes.vault_svc.clock import StandingClock
from tests.fakes.vault_svc.fuse import Death, DiedError, Fuse
from tests.fakes.vault_svc.keks import SwitchedKek, a_kek
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.stores import InMemoryDataKeyStore, InMemorySealedValueStore, Rows
from tests.fakes.vault_svc.vault import NAMESPACE, Vault, a_write, prepared_by
from vault_svc.domain.keyring import ReplacementRule
from vault_svc.ports.data_keys import DataKeyStore
from vault_svc.ports.decisions import Answer
from vault_svc.ports.values import SealedValueStore, ValueKey
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore

T = TypeVar("T")

MOST_CALLS = 60
# Every block is used up at once, so that each write goes the whole way.
RULE = ReplacementRule(maximum_wraps=4, wraps_per_reservation=1)


@dataclass
class Installation:
    """What outlives a process."""

    values: SealedValueStore
    keys: DataKeyStore
    clock: StandingClock = field(default_factory=StandingClock)
    kek: SwitchedKek = field(default_factory=lambda: SwitchedKek(a_kek()))

    def __post_init__(self) -> None:
        self.metadata = InMemoryMetadata(self.clock)

    def process(self, fuse: Fuse | None = None) -> Vault:
        """A new process, with nothing remembered."""
        behind = fuse.before if fuse else bare
        return Vault(
            values=behind(self.values),
            keys=behind(self.keys),
            clock=self.clock,
            kek=behind(self.kek),
            metadata=self.metadata,
            asked=behind(self.metadata),
            rule=RULE,
        )


def bare(port: T) -> T:
    return port


Saga = Callable[[Vault, str], Awaitable[object]]


async def create(vault: Vault, name: str) -> None:
    await vault.create(name, b"new")


async def update(vault: Vault, name: str) -> None:
    await vault.update(name, b"new")


async def sweep(vault: Vault, _name: str) -> None:
    await vault.sweep_up()


@pytest.fixture
def in_memory() -> Installation:
    rows = Rows()
    return Installation(InMemorySealedValueStore(rows), InMemoryDataKeyStore(rows))


@pytest.fixture
async def on_postgres(vault_dsn: Sensitive[str]) -> AsyncIterator[Installation]:
    database = await Database.connect(vault_dsn, application_name="faults", connections=2)
    yield Installation(PostgresSealedValueStore(database), PostgresDataKeyStore(database))
    await database.close()


@pytest.fixture(params=["in_memory", "on_postgres"])
def installation(request: pytest.FixtureRequest) -> Installation:
    made: Installation = request.getfixturevalue(request.param)
    return made


async def test_a_create_that_dies_anywhere_is_whole_or_nothing(
    installation: Installation,
) -> None:
    seen = await crashes(installation, create, before=None)

    assert seen == {Answer.NOT_FOUND, b"new"}


async def test_an_update_that_dies_anywhere_is_whole_or_nothing(
    installation: Installation,
) -> None:
    seen = await crashes(installation, update, before=b"old")

    assert seen == {b"old", b"new"}


async def test_a_sweep_that_dies_anywhere_is_finished_by_the_next(
    installation: Installation,
) -> None:
    async def delete_and_lose(name: str) -> None:
        vault = installation.process()
        installation.metadata.delete(NAMESPACE, name)
        await vault.create(f"{name}-live", b"old")
        await vault.update(f"{name}-live", b"live")
        lost = await prepared_by(installation.metadata, a_write("lost"))
        await vault.writes._store(NAMESPACE, lost, Sensitive(b"lost"))

    seen = await crashes(installation, sweep, before=b"old", prepare=delete_and_lose)

    assert seen == {Answer.NOT_FOUND}


async def test_two_deaths_in_a_row_are_no_worse_than_one(installation: Installation) -> None:
    for first, second in itertools.product(range(7), range(5)):
        name = f"n{first}-{second}"
        await die(installation, create, name, Fuse(first, Death.AFTER))
        await die(installation, sweep, name, Fuse(second, Death.AFTER))
        await assert_all_is_well(installation)


async def crashes(
    installation: Installation,
    saga: Saga,
    *,
    before: bytes | None,
    prepare: Callable[[str], Awaitable[None]] | None = None,
) -> set[bytes | Answer]:
    """Every crash point of the saga, one after the other; what a reader saw after each."""
    seen: set[bytes | Answer] = set()
    for number, death in itertools.product(range(MOST_CALLS), Death):
        name = f"{saga.__name__}-{number}-{death.name.lower()}"
        if before is not None:
            await installation.process().create(name, before)
        if prepare:
            await prepare(name)
        fuse = Fuse(number, death)
        await die(installation, saga, name, fuse)
        await assert_all_is_well(installation)
        seen |= set((await installation.process().decrypt(name)).values())
        await delete_everything(installation)
        if not fuse.burnt:
            assert number > 3, "a saga of so few calls is none"
            return seen
    raise AssertionError("the saga did not end")


async def delete_everything(installation: Installation) -> None:
    for namespace, name in list(installation.metadata.live):
        installation.metadata.delete(namespace, name)
    await assert_all_is_well(installation)


async def die(installation: Installation, saga: Saga, name: str, fuse: Fuse) -> None:
    try:
        await saga(installation.process(fuse), name)
    except DiedError:
        assert fuse.burnt
    except KnownError:
        # A process that is told so by its ports has not died; the fuse burnt in a shared task.
        assert fuse.burnt


async def assert_all_is_well(installation: Installation) -> None:
    vault = installation.process()
    for _ in range(2):
        await vault.sweep_up()
    assert await held(installation) == installation.metadata.referenced()
    live = [name for _, name in installation.metadata.live]
    if live:
        answers = await vault.decrypt(*live)
        assert {type(answer) for answer in answers.values()} == {bytes}


async def held(installation: Installation) -> set[ValueKey]:
    installation.clock.advance(1)
    now = installation.clock.now()
    return set(
        await installation.values.all_values(stored_before=now, after=None, limit=10_000)
    )
