"""Where wrapped fingerprint keys are kept: beside the data keys, and wrapped like them."""

from datetime import datetime
from typing import Protocol

from vault_svc.domain.keyring import WrappedDataKey


class FingerprintKeyStore(Protocol):
    """Wrapped fingerprint keys, one in use per namespace.

    Disabling and destroying one is the DataKeyStore's; whichever is in use stays until then.
    Suite: tests/contracts/vault_svc/fingerprint_key_store.py.
    Every method raises UnavailableError when the store cannot be reached.
    """

    async def current(self, namespace: str) -> WrappedDataKey | None:
        """The key in use, if there is one."""
        ...

    async def keep(self, key: WrappedDataKey, now: datetime) -> None:
        """The key is in use, committed; unless another one is, which then stays."""
        ...

    async def give_up(self, key: WrappedDataKey) -> None:
        """The key is disabled if it was in use: the next one that is kept takes its place."""
        ...
