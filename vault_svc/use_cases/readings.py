"""What metadata decides and the vault keeps, for the questions of many callers at a time.

- One batch is decided by one statement of metadata's, then read by one of the vault's own.
- What one caller may have is decided by the caller's own question, in whatever company it was
  asked; a stored value is found by the namespace that asked and the id that was decided.
- A large question goes alone, so that small ones do not wait for it.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from vault_svc.domain.envelope import OVERHEAD_BYTES
from vault_svc.ports.metadata import (
    SYSTEM_KEEPER,
    Decision,
    MetadataClient,
    Question,
    Resolution,
)
from vault_svc.ports.values import SealedValueStore, StoredValue, StoredValues, ValueKey
from vault_svc.use_cases.coalescing import Coalescer, Pace, Sorting

# A question of more names gains little from company, and costs it much.
SHARED_NAMES = 32
BATCH_SECONDS = 5.0
TOGETHER = Pace(
    batch_size=256,
    batches_at_once=4,
    patience_seconds=0.025,
    batch_seconds=BATCH_SECONDS,
    company=16,
    company_seconds=0.003,
)
ALONE = Pace(batch_size=1, batches_at_once=4, patience_seconds=0, batch_seconds=BATCH_SECONDS)

_NOTHING = StoredValues(0, {})


class Asked(NamedTuple):
    """One caller's question, and how much the answer can hold of all its values together."""

    question: Question
    room_bytes: int


class Reading(NamedTuple):
    """What there is to one question."""

    resolutions: tuple[Resolution, ...]  # one for each name; none if metadata refused it
    too_large: bool  # then nothing was read
    # Of everyone in the batch: a value is looked up by what was decided for this question.
    values: Mapping[ValueKey, StoredValue]


class _Wanted(NamedTuple):
    """The values that were allowed to one question, and the room that they have, sealed."""

    keys: list[ValueKey]
    room_bytes: int


class Readings:
    """Answers a question by one look at metadata and one at the values, shared with others."""

    def __init__(
        self,
        metadata: MetadataClient,
        values: SealedValueStore,
        *,
        together: Pace = TOGETHER,
        alone: Pace = ALONE,
    ) -> None:
        self._metadata = metadata
        self._values = values
        sorting = Sorting(_size, _line)
        self._together = Coalescer(self._read, sorting, together)
        self._alone = Coalescer(self._read, sorting, alone)

    async def of(self, asked: Asked) -> Reading:
        """What there is, decided and read after this was called.

        Raises UnavailableError; DeadlineExceededError if the caller's time was up before.
        """
        shared = len(asked.question.names) <= SHARED_NAMES
        return await (self._together if shared else self._alone).ask(asked)

    async def _read(self, batch: Sequence[Asked]) -> list[Reading]:
        decided = await self._metadata.resolve([asked.question for asked in batch])
        wanted = [_wanted(*pair) for pair in zip(batch, decided, strict=True)]
        stored = await self._stored(wanted)
        return [
            Reading(resolutions, found.total_bytes > want.room_bytes, found.values)
            for resolutions, want, found in zip(decided, wanted, stored, strict=True)
        ]

    async def _stored(self, wanted: Sequence[_Wanted]) -> list[StoredValues]:
        """For each what was found; by several statements only if all would be too much."""
        keys = list(dict.fromkeys(key for want in wanted for key in want.keys))
        if not keys:
            return [_NOTHING] * len(wanted)
        room_bytes = min(want.room_bytes for want in wanted)
        stored = await self._values.read(keys, maximum_bytes=room_bytes)
        if stored.total_bytes <= room_bytes or len(wanted) == 1:
            return [stored] * len(wanted)
        half = len(wanted) // 2
        return [*await self._stored(wanted[:half]), *await self._stored(wanted[half:])]


def _size(asked: Asked) -> int:
    return len(asked.question.names)


def _line(asked: Asked) -> Hashable:
    """Callers of one identity in one namespace wait for one another, and for nobody else."""
    return asked.question.service_identity, asked.question.namespace


def _wanted(asked: Asked, resolutions: Sequence[Resolution]) -> _Wanted:
    namespace = asked.question.namespace
    keys = [
        ValueKey(namespace, value_id)
        for decision, keeper, value_id, _ in resolutions
        if decision is Decision.ALLOWED and keeper == SYSTEM_KEEPER and value_id is not None
    ]
    return _Wanted(keys, asked.room_bytes + OVERHEAD_BYTES * len(keys))
