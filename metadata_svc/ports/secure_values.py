"""The live secure values, inside a transaction."""

from typing import Protocol

from metadata_svc.domain.secure_value import SecureValue


class SecureValueStore(Protocol):
    """The live rows, inside a transaction.

    Suite: tests/contracts/metadata_svc/secure_value_store.py.
    """

    async def next_version(self, namespace: str, name: str) -> int:
        """A version the name never had; whoever else asks for this name waits for the end."""
        ...

    async def lock(self, namespace: str, name: str) -> SecureValue | None:
        """The live secure value, if there is one; nobody else locks or writes it meanwhile.

        Raises DamagedObjectError.
        """
        ...

    async def lock_to_remove(self, namespace: str, name: str) -> SecureValue | None:
        """As lock(); of one that is damaged, which one it is and nothing else."""
        ...

    async def insert(self, secure_value: SecureValue) -> None:
        """The secure value is live. Raises AlreadyExistsError if the name is."""
        ...

    async def replace(self, secure_value: SecureValue) -> None:
        """The live row, locked before, is this one now."""
        ...

    async def remove(self, secure_value: SecureValue) -> None:
        """The live row, locked before, is gone."""
        ...

    async def any_kept_by(self, namespace: str, keeper: str) -> bool:
        """Whether a live secure value is kept by a keeper.

        Stays so until the end if the keeper was locked to be changed before.
        """
        ...
