"""Keepers, read as committed and inside a transaction."""

from typing import Protocol


class KeeperReader(Protocol):
    """Reads committed keepers. Suite: tests/contracts/metadata_svc/keepers.py."""

    async def active(self, namespace: str) -> str | None:
        """The name of the namespace's active keeper, if there is one."""
        ...

    async def exists(self, namespace: str, name: str) -> bool:
        """Whether there is a keeper of this name."""
        ...


class KeeperStore(Protocol):
    """The keepers, inside a transaction. Suite: tests/contracts/metadata_svc/keepers.py."""

    async def lock(self, namespace: str, name: str) -> bool:
        """Whether the keeper exists; if so it cannot be deleted before the end."""
        ...
