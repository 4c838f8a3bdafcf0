"""Erasing what nothing points to. Any number of replicas may do it at once.

Metadata says which values are not needed. Its word alone destroys nothing: it starts the
vault's own recovery window, and the bytes are erased only after that.

- Released: metadata lists the ids that a newer value or a delete let go of. Each value gets a
  time of erasure.
- Unclaimed: for values not known to be claimed after a while, metadata is asked to refuse the
  id. Refusing and claiming insert the same key there, so one of the two wins, whatever the
  delays. What is refused gets a time of erasure too.
- Everything: slowly, the same question for every value, so that nothing remembered here counts
  as proof of being needed, and the list of released ids from its beginning.
- Due: values whose time has come. Metadata is asked once more: what it says is claimed is kept.
  The others are erased, and then acknowledged.

A time of erasure is never moved forward. A value whose write the vault itself saw fail has no
window. One that was once known to be claimed is never erased because its id is refused now: a
metadata database that lost its memory, or is the wrong one, does not take the values with it
(docs/adr/0007, docs/adr/0025).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from chassis.clock import Clock
from vault_svc.ports.clocks import Clocks, Moment
from vault_svc.ports.metadata import MetadataClient, ReleasedPage, ReleasedPlace, ValueState
from vault_svc.ports.values import DueValue, SealedValueStore, ValueKey

DAY_SECONDS = 24 * 3600
# A release becomes visible when it is committed, later than its own time says. What takes
# longer than this is found by the slow pass.
OVERLAP = timedelta(minutes=10)
_FIRST_KEY = ValueKey("", UUID(int=0))

Page = Callable[[ValueKey | None], Awaitable[tuple[ValueKey, ...]]]
Answers = Sequence[tuple[ValueKey, ValueState]]


@dataclass(frozen=True, slots=True)
class SweepRule:
    """How long values are kept that are not needed, and when metadata is asked about others."""

    recovery_window_seconds: float = 7 * DAY_SECONDS
    unclaimed_age_seconds: float = 300
    page_size: int = 500

    @property
    def recovery_window(self) -> timedelta:
        """How long a value stays after the vault first hears that it is not needed."""
        return timedelta(seconds=self.recovery_window_seconds)

    @property
    def unclaimed_age(self) -> timedelta:
        """The age from which metadata is asked about a value."""
        return timedelta(seconds=self.unclaimed_age_seconds)


@dataclass(slots=True)
class Heard:
    """How far the list of released ids was read; forgotten with the process."""

    released_at: datetime | None = None

    @property
    def place(self) -> ReleasedPlace | None:
        """Where the next reading starts; None is the beginning."""
        if self.released_at is None:
            return None
        return ReleasedPlace(self.released_at - OVERLAP, _FIRST_KEY)


@dataclass(frozen=True, slots=True)
class Sweep:
    """The ways of the sweep; each raises UnavailableError.

    The first three return how many values they gave a time of erasure, the last one how many it
    erased.
    """

    metadata: MetadataClient
    values: SealedValueStore
    clock: Clock  # the one that dates values when they are stored
    clocks: Clocks
    rule: SweepRule
    # Told of values that metadata once said were claimed and now refuses.
    contradicted: Callable[[Sequence[ValueKey]], None]
    heard: Heard = field(default_factory=Heard)

    async def note_released(self) -> int:
        """Every value released since the last time has a time of erasure.

        Metadata knows of those that are gone.
        """
        return await self._note_released(self.heard.place)

    async def refuse_unclaimed(self) -> int:
        """Every value of some age is known to be claimed or has a time of erasure."""

        async def page(after: ValueKey | None) -> tuple[ValueKey, ...]:
            return await self.values.unclaimed(
                stored_before=self._stored_before, after=after, limit=self.rule.page_size
            )

        return await self._settle_pages(page)

    async def check_everything(self) -> int:
        """Metadata has been asked about every value of some age, and for all released ids."""

        async def page(after: ValueKey | None) -> tuple[ValueKey, ...]:
            return await self.values.all_values(
                stored_before=self._stored_before, after=after, limit=self.rule.page_size
            )

        return await self._settle_pages(page) + await self._note_released(None)

    async def erase_due(self) -> int:
        """No value is left whose time has come and that metadata still does not need."""
        erased = 0
        async for keys in self._due_pages():
            gone = await self._erase_unneeded(keys)
            await self.metadata.acknowledge(gone)
            erased += len(gone)
        return erased

    @property
    def _stored_before(self) -> datetime:
        return self.clock.now() - self.rule.unclaimed_age

    async def _note_released(self, start: ReleasedPlace | None) -> int:
        noted = 0
        async for page in self._released_pages(start):
            moment = await self.clocks.now()
            scheduling = await self.values.schedule(
                page.keys, heard_at=moment.latest, erase_at=self._window_end(moment)
            )
            await self.metadata.acknowledge(scheduling.absent)
            noted += scheduling.scheduled_count
            if page.next is not None:
                self.heard.released_at = page.next.released_at
        return noted

    async def _settle_pages(self, page: Page) -> int:
        return sum([await self._settle(keys) async for keys in self._pages(page)])

    async def _settle(self, keys: Sequence[ValueKey]) -> int:
        answers = await self._asked(keys)
        moment = await self.clocks.now()
        unneeded = _of(answers, ValueState.RELEASED, ValueState.ERASED)
        scheduling = await self.values.schedule(
            unneeded, heard_at=moment.latest, erase_at=self._window_end(moment)
        )
        refused = await self._note_refused(_of(answers, ValueState.REFUSED), moment)
        await self.values.mark_claimed(_of(answers, ValueState.CLAIMED), moment.latest)
        return scheduling.scheduled_count + refused

    async def _erase_unneeded(self, keys: Sequence[ValueKey]) -> tuple[ValueKey, ...]:
        answers = await self._asked(keys)
        moment = await self.clocks.now()
        await self.values.mark_claimed(_of(answers, ValueState.CLAIMED), moment.latest)
        await self._note_refused(_of(answers, ValueState.REFUSED), moment)
        unneeded = _of(answers, ValueState.RELEASED, ValueState.ERASED, ValueState.REFUSED)
        return await self.values.erase_due(unneeded, now=moment.earliest)

    async def _note_refused(self, keys: Sequence[ValueKey], moment: Moment) -> int:
        refusal = await self.values.schedule_refused(
            keys, erase_at=self._window_end(moment), failed_erase_at=moment.earliest
        )
        if refusal.contradicted:
            self.contradicted(refusal.contradicted)
        return refusal.scheduled_count

    async def _asked(self, keys: Sequence[ValueKey]) -> Answers:
        asked = frozenset(keys)
        return [answer for answer in await self.metadata.refuse(keys) if answer[0] in asked]

    def _window_end(self, moment: Moment) -> datetime:
        return moment.latest + self.rule.recovery_window

    async def _pages(self, page: Page) -> AsyncIterator[tuple[ValueKey, ...]]:
        after = None
        while keys := await page(after):
            yield keys
            if len(keys) < self.rule.page_size:
                return
            after = keys[-1]

    async def _released_pages(self, start: ReleasedPlace | None) -> AsyncIterator[ReleasedPage]:
        place, full = start, True
        while full:
            page = await self.metadata.released(after=place, limit=self.rule.page_size)
            full = len(page.keys) == self.rule.page_size
            if page.keys:
                yield page
                place = page.next or ReleasedPlace(None, page.keys[-1])

    async def _due_pages(self) -> AsyncIterator[tuple[ValueKey, ...]]:
        after: DueValue | None = None
        now = (await self.clocks.now()).earliest
        while due := await self.values.due(now=now, after=after, limit=self.rule.page_size):
            yield tuple(value.key for value in due)
            after = due[-1]


def _of(answers: Iterable[tuple[ValueKey, ValueState]], *states: ValueState) -> list[ValueKey]:
    return [key for key, state in answers if state in states]
