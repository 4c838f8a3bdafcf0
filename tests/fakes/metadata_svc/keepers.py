"""Keepers in memory. See ports.KeeperReader and ports.KeeperStore."""

from collections.abc import Callable

from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.resource import already_exists
from tests.fakes.metadata_svc.tables import Tables


class FakeKeeperStore:
    def __init__(self, tables: Tables) -> None:
        self._keepers = tables.keepers

    async def lock(self, namespace: str, name: str) -> bool:
        return (namespace, name) in self._keepers

    async def lock_to_change(self, namespace: str, name: str) -> Keeper | None:
        return self._keepers.get((namespace, name))

    lock_to_remove = lock_to_change

    async def lock_to_activate(self, namespace: str, name: str) -> tuple[Keeper, ...]:
        here = (k for k in self._keepers.values() if k.namespace == namespace)
        return tuple(sorted((k for k in here if k.active or k.name == name), key=_name))

    async def count(self, namespace: str) -> int:
        return sum(ns == namespace for ns, _ in self._keepers)

    async def insert(self, keeper: Keeper) -> None:
        address = keeper.namespace, keeper.name
        if address in self._keepers:
            raise already_exists(keeper.kind, keeper.name)
        self._keepers[address] = keeper

    async def replace(self, keeper: Keeper) -> None:
        self._keepers[keeper.namespace, keeper.name] = keeper

    async def remove(self, keeper: Keeper) -> None:
        del self._keepers[keeper.namespace, keeper.name]


class FakeKeeperReader:
    def __init__(self, now: Callable[[], Tables]) -> None:
        self._now = now

    async def active(self, namespace: str) -> str | None:
        rows = self._now().keepers.values()
        return next((k.name for k in rows if k.namespace == namespace and k.active), None)

    async def exists(self, namespace: str, name: str) -> bool:
        return (namespace, name) in self._now().keepers

    async def get(self, namespace: str, name: str) -> Keeper | None:
        return self._now().keepers.get((namespace, name))


def _name(keeper: Keeper) -> str:
    return keeper.name
