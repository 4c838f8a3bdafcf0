"""Keepers, read as committed and inside a transaction."""

from typing import Protocol

from metadata_svc.domain.keeper import Keeper


class KeeperReader(Protocol):
    """Reads committed keepers. Suite: tests/contracts/metadata_svc/keepers.py."""

    async def active(self, namespace: str) -> str | None:
        """The name of the namespace's active keeper, if there is one."""
        ...

    async def exists(self, namespace: str, name: str) -> bool:
        """Whether there is a keeper of this name."""
        ...

    async def get(self, namespace: str, name: str) -> Keeper | None:
        """The keeper, if there is one."""
        ...


class KeeperStore(Protocol):
    """The keepers, inside a transaction. Suite: tests/contracts/metadata_svc/keepers.py."""

    async def lock(self, namespace: str, name: str) -> bool:
        """Whether the keeper exists; if so it is neither changed nor deleted before the end."""
        ...

    async def lock_to_change(self, namespace: str, name: str) -> Keeper | None:
        """The keeper, if there is one; nobody else locks or changes it meanwhile.

        Raises DamagedObjectError.
        """
        ...

    async def lock_to_remove(self, namespace: str, name: str) -> Keeper | None:
        """As lock_to_change(); of one that is damaged, which one it is and nothing else."""
        ...

    async def lock_to_activate(self, namespace: str, name: str) -> tuple[Keeper, ...]:
        """The active keeper and the named one, as far as they exist, locked in name order.

        Nobody else activates a keeper of the namespace meanwhile: the second waits for the end.
        """
        ...

    async def count(self, namespace: str) -> int:
        """How many keepers the namespace has; exact while its counter is held."""
        ...

    async def insert(self, keeper: Keeper) -> None:
        """The keeper exists. Raises AlreadyExistsError if one of its name does."""
        ...

    async def replace(self, keeper: Keeper) -> None:
        """The keeper, locked before, is this one now; at most one of a namespace is active."""
        ...

    async def remove(self, keeper: Keeper) -> None:
        """The keeper, locked before, is gone."""
        ...
