"""Keys that a KEK has unwrapped, remembered for a while.

- By the wrapped bytes themselves: what is remembered never hides a changed row.
- What is remembered is bytes, never the permission to use them: that is the row's to say, and
  the row is read each time.
- A KEK is asked once at a time for each key, and a slow answer holds up nobody else.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from chassis.clock import Clock
from chassis.sensitive import Sensitive
from vault_svc.domain.envelope import EnvelopeError, KeyPurpose
from vault_svc.domain.keyring import WrappedDataKey
from vault_svc.ports.keks import KekError, Keks
from vault_svc.use_cases.recent import Recent
from vault_svc.use_cases.single_flight import SingleFlight

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class CacheBounds:
    """How many unwrapped keys are remembered, and for how long."""

    limit: int = 10_000
    lifetime_seconds: float = 300


@dataclass(frozen=True, slots=True)
class KeyKind(Generic[K]):
    """What a key of one purpose is once it is unwrapped."""

    purpose: KeyPurpose
    # Namespace, key id, bytes; raises EnvelopeError for what is no such key.
    build: Callable[[str, UUID, Sensitive[bytes]], K]


class UnwrappedKeys(Generic[K]):
    """The keys of one kind that this process has unwrapped."""

    def __init__(
        self, kind: KeyKind[K], *, keks: Keks, clock: Clock, bounds: CacheBounds
    ) -> None:
        self._kind = kind
        self._keks = keks
        self._recent: Recent[Hashable, K] = Recent(
            clock, limit=bounds.limit, lifetime_seconds=bounds.lifetime_seconds
        )
        self._unwrappings: SingleFlight[Hashable, K] = SingleFlight()

    async def get(self, wrapped: WrappedDataKey) -> K:
        """The key itself, whatever its state: that is the caller's to heed.

        Raises KekError if its KEK does not unwrap it, UnavailableError if it cannot be had.
        """
        key = self._recent.get(wrapped.wrap)
        if key is None:
            key = await self._unwrappings.run(wrapped.wrap, lambda: self._unwrap(wrapped))
        return key

    async def _unwrap(self, wrapped: WrappedDataKey) -> K:
        if wrapped.purpose is not self._kind.purpose:
            raise KekError("the key is for another purpose")
        kek = self._keks.named(wrapped.kek_id)
        key = await kek.unwrap(wrapped.wrapped_key, wrapped.context)
        try:
            unwrapped = self._kind.build(wrapped.namespace, wrapped.data_key_id, key)
        except EnvelopeError as error:
            raise KekError("what the KEK unwrapped is no key of this kind") from error
        self._recent.put(wrapped.wrap, unwrapped)
        return unwrapped
