"""What holds key-encryption keys."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from chassis.sensitive import Sensitive
from vault_svc.domain.envelope import DataKeyContext


class KekError(Exception):
    """The KEK does not unwrap this: damaged, wrapped by another KEK or in another context."""


class KekProvider(Protocol):
    """One key-encryption key and whatever holds it.

    Suite: tests/contracts/vault_svc/kek_provider.py.
    """

    @property
    def kek_id(self) -> str:
        """Names the KEK for as long as anything is wrapped under it."""
        ...

    async def wrap(self, data_key: Sensitive[bytes], context: DataKeyContext) -> bytes:
        """The data key wrapped, bound to the context. Raises UnavailableError."""
        ...

    async def unwrap(self, wrapped: bytes, context: DataKeyContext) -> Sensitive[bytes]:
        """What `wrap` was given in the same context.

        Raises KekError for anything else, UnavailableError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Keks:
    """The KEKs at hand: one that wraps new data keys, all of them to unwrap."""

    active: KekProvider
    others: tuple[KekProvider, ...] = ()
    lost: frozenset[str] = frozenset()  # named by data keys and, by decision, done without

    @property
    def ids(self) -> frozenset[str]:
        """Those at hand."""
        return frozenset(kek.kek_id for kek in (self.active, *self.others))

    def without(self, lost: Iterable[str]) -> "Keks":
        """The same but for these, which are lost; the active one is none of them."""
        gone = frozenset(lost)
        others = tuple(kek for kek in self.others if kek.kek_id not in gone)
        return Keks(self.active, others, gone)

    def named(self, kek_id: str) -> KekProvider:
        """Raises KekError if it is not at hand."""
        if kek_id in self.lost:
            raise KekError("the KEK that the data key names is lost")
        for provider in (self.active, *self.others):
            if provider.kek_id == kek_id:
                return provider
        raise KekError("the KEK that the data key names is not configured")
