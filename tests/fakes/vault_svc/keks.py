"""KEKs for tests: a random one, and one that can be held up or lost."""

import asyncio
import secrets

from chassis.errors import UnavailableError
from chassis.sensitive import Sensitive
from vault_svc.domain.envelope import DataKeyContext
from vault_svc.kek_providers.local_file import LocalKek
from vault_svc.ports.keks import KekProvider


def a_kek(kek_id: str = "kek-1") -> LocalKek:
    return LocalKek(kek_id, Sensitive(secrets.token_bytes(32)), secrets.token_bytes)


class SwitchedKek:
    """See ports.keks.KekProvider. Counts its calls; can be stalled or switched off."""

    def __init__(self, kek: KekProvider) -> None:
        self._kek = kek
        self.wraps = 0
        self.unwraps = 0
        self.off = False
        self.stalled: dict[str, asyncio.Event] = {}

    @property
    def kek_id(self) -> str:
        return self._kek.kek_id

    async def wrap(self, data_key: Sensitive[bytes], context: DataKeyContext) -> bytes:
        self.wraps += 1
        await self._pass(context)
        return await self._kek.wrap(data_key, context)

    async def unwrap(self, wrapped: bytes, context: DataKeyContext) -> Sensitive[bytes]:
        self.unwraps += 1
        await self._pass(context)
        return await self._kek.unwrap(wrapped, context)

    async def _pass(self, context: DataKeyContext) -> None:
        if self.off:
            raise UnavailableError("the KEK is switched off")
        if context.namespace in self.stalled:
            await self.stalled[context.namespace].wait()
