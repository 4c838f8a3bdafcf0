"""Whether every value opens, without showing one, and whether metadata and the vault agree.

Metadata says which values there should be and what they are called; the vault's rows are read
in the same order, once, a page at a time. A released value has no name any more, and the name
is part of what its seal is bound to: of such a one the keys are tried, the seal is not.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from vault_svc.domain.envelope import OVERHEAD_BYTES, EnvelopeError, ValueContext
from vault_svc.domain.keyring import DataKeyState, WrappedDataKey
from vault_svc.domain.sealing import DataKey, check_value_key, open_value
from vault_svc.domain.value_rules import MAXIMUM_VALUE_BYTES
from vault_svc.ports.keks import KekError, Keks
from vault_svc.ports.values import SealedValueStore, StoredRow, ValueKey
from vault_svc.use_cases.unwrapped_keys import UnwrappedKeys

PAGE = 100
MAXIMUM_SEALED_BYTES = MAXIMUM_VALUE_BYTES + OVERHEAD_BYTES


class Flaw(StrEnum):
    """What is wrong with a value."""

    MISSING = "missing"  # a secure value points to it, and it is not there
    DATA_KEY_MISSING = "data key missing"
    DATA_KEY_DISABLED = "data key disabled"
    KEK_MISSING = "KEK missing"
    DATA_KEY_DAMAGED = "data key does not unwrap"
    DOES_NOT_OPEN = "does not open"
    SIZE = "size"  # no value is that small or that large once it is sealed
    UNKNOWN = "unknown to metadata"  # and not about to be erased


class Expected(NamedTuple):
    """A value that metadata counts on; released if it has no name."""

    key: ValueKey
    name: str | None


@dataclass(slots=True)
class Tally:
    """How many values there were of each kind."""

    opened: int = 0
    released: int = 0  # of which the keys alone were tried
    awaiting_erasure: int = 0  # not known to metadata, and to be erased
    flaws: dict[Flaw, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verify:
    """Compares and opens; `tell` hears of every flaw as it is found."""

    values: SealedValueStore
    keks: Keks
    data_keys: UnwrappedKeys[DataKey]
    tell: Callable[[ValueKey, Flaw], None]

    async def all(self, expected: Iterator[Expected]) -> Tally:
        """Every value was looked at; `expected` is in the order of keys.

        Raises UnavailableError, and whatever `expected` raises.
        """
        tally = Tally()
        rows = self._rows()
        row = await anext(rows, None)
        for wanted in expected:
            while row is not None and row.key < wanted.key:
                self._count_unexpected(tally, row)
                row = await anext(rows, None)
            if row is None or row.key != wanted.key:
                self._count_absent(tally, wanted)
                continue
            self._count(tally, wanted, await self._flaw(wanted, row))
            row = await anext(rows, None)
        while row is not None:
            self._count_unexpected(tally, row)
            row = await anext(rows, None)
        return tally

    async def _rows(self) -> AsyncIterator[StoredRow]:
        after = None
        while page := await self.values.everything(
            after=after, limit=PAGE, maximum_bytes=MAXIMUM_SEALED_BYTES
        ):
            for row in page:
                yield row
            after = page[-1].key

    def _count(self, tally: Tally, wanted: Expected, flaw: Flaw | None) -> None:
        if flaw is not None:
            self._found(tally, wanted.key, flaw)
        elif wanted.name is None:
            tally.released += 1
        else:
            tally.opened += 1

    def _count_absent(self, tally: Tally, wanted: Expected) -> None:
        """A released value may be gone already."""
        if wanted.name is not None:
            self._found(tally, wanted.key, Flaw.MISSING)

    def _count_unexpected(self, tally: Tally, row: StoredRow) -> None:
        if row.awaits_erasure:
            tally.awaiting_erasure += 1
        else:
            self._found(tally, row.key, Flaw.UNKNOWN)

    def _found(self, tally: Tally, key: ValueKey, flaw: Flaw) -> None:
        tally.flaws[flaw] = tally.flaws.get(flaw, 0) + 1
        self.tell(key, flaw)

    async def _flaw(self, wanted: Expected, row: StoredRow) -> Flaw | None:
        if not OVERHEAD_BYTES < row.size_bytes <= MAXIMUM_SEALED_BYTES:
            return Flaw.SIZE
        key = await self._usable(row.data_key)
        if isinstance(key, Flaw):
            return key
        try:
            _try_open(wanted, row, key)
        except EnvelopeError:
            return Flaw.DOES_NOT_OPEN
        return None

    async def _usable(self, wrapped: WrappedDataKey | None) -> DataKey | Flaw:
        if wrapped is None or wrapped.state is DataKeyState.DESTROYED:
            return Flaw.DATA_KEY_MISSING
        if not wrapped.opens:
            return Flaw.DATA_KEY_DISABLED
        if wrapped.kek_id not in self.keks.ids:
            return Flaw.KEK_MISSING
        try:
            return await self.data_keys.get(wrapped)
        except KekError:
            return Flaw.DATA_KEY_DAMAGED


def _try_open(wanted: Expected, row: StoredRow, key: DataKey) -> None:
    """Raises EnvelopeError. What was opened is not kept."""
    namespace, value_id = row.key
    if wanted.name is None:
        check_value_key(row.sealed, ValueContext(namespace, "", value_id), key)
    else:
        open_value(row.sealed, ValueContext(namespace, wanted.name, value_id), key)
