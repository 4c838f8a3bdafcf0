"""Erasing what nothing points to. Any number of replicas may do it at once.

- Released: metadata lists the ids that a newer value or a delete let go of; each is erased,
  then acknowledged. Done twice it does the same.
- Unclaimed: for values not known to be claimed after a while, metadata is asked to refuse the
  id. Refusing and claiming insert the same key there, so one of the two wins, whatever the
  delays.
- Everything: slowly, the same question for every value, so that nothing remembered here
  counts as proof of being needed.

Only an id answered `refused` or `erased` is erased on the last two ways, and one that metadata
once answered as claimed is never erased because it is refused now: a metadata database that
lost its memory, or is the wrong one, does not take the values with it (docs/adr/0007).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from chassis.clock import Clock
from vault_svc.ports.metadata import MetadataClient, ValueState
from vault_svc.ports.values import SealedValueStore, ValueKey

_ACCOUNTED_FOR = frozenset({ValueState.CLAIMED, ValueState.RELEASED})

Page = Callable[[ValueKey | None], Awaitable[tuple[ValueKey, ...]]]


@dataclass(frozen=True, slots=True)
class SweepRule:
    """When what is left over is looked at. Tuning, not safety."""

    release_grace_seconds: float = 3600
    unclaimed_age_seconds: float = 300
    page_size: int = 500


@dataclass(frozen=True, slots=True)
class Sweep:
    """The three ways; each returns how many values it erased, and raises UnavailableError."""

    metadata: MetadataClient
    values: SealedValueStore
    clock: Clock
    rule: SweepRule
    # Told of values that metadata once said were claimed and now refuses.
    contradicted: Callable[[Sequence[ValueKey]], None]

    async def erase_released(self) -> int:
        """Nothing released longer ago than the grace is left, and metadata knows."""

        async def page(after: ValueKey | None) -> tuple[ValueKey, ...]:
            return await self.metadata.released(
                minimum_age_seconds=self.rule.release_grace_seconds,
                after=after,
                limit=self.rule.page_size,
            )

        erased = 0
        async for keys in self._pages(page):
            erased += await self.values.erase(keys)
            await self.metadata.acknowledge(keys)
        return erased

    async def refuse_unclaimed(self) -> int:
        """Every value of some age is known to be claimed, or gone."""

        async def page(after: ValueKey | None) -> tuple[ValueKey, ...]:
            return await self.values.unclaimed(
                stored_before=self.clock.now() - self._age,
                after=after,
                limit=self.rule.page_size,
            )

        return await self._settle(page)

    async def check_everything(self) -> int:
        """Metadata has been asked about every value of some age."""

        async def page(after: ValueKey | None) -> tuple[ValueKey, ...]:
            return await self.values.all_values(
                stored_before=self.clock.now() - self._age,
                after=after,
                limit=self.rule.page_size,
            )

        return await self._settle(page)

    @property
    def _age(self) -> timedelta:
        return timedelta(seconds=self.rule.unclaimed_age_seconds)

    async def _settle(self, page: Page) -> int:
        erased = 0
        async for keys in self._pages(page):
            asked = frozenset(keys)
            answers = [a for a in await self.metadata.refuse(keys) if a[0] in asked]
            erased += await self.values.erase(_of(answers, ValueState.ERASED))
            erased += await self._erase_refused(_of(answers, ValueState.REFUSED))
            await self.values.mark_claimed(_of(answers, *_ACCOUNTED_FOR), self.clock.now())
        return erased

    async def _erase_refused(self, keys: Sequence[ValueKey]) -> int:
        refusal = await self.values.erase_refused(keys)
        if refusal.contradicted:
            self.contradicted(refusal.contradicted)
        return refusal.erased_count

    async def _pages(self, page: Page) -> AsyncIterator[tuple[ValueKey, ...]]:
        after = None
        while keys := await page(after):
            yield keys
            if len(keys) < self.rule.page_size:
                return
            after = keys[-1]


def _of(answers: Iterable[tuple[ValueKey, ValueState]], *states: ValueState) -> list[ValueKey]:
    return [key for key, state in answers if state in states]
