"""Erasing what nothing points to. Any number of replicas may do it at once.

- Released: metadata lists the ids that a newer value or a delete let go of; each is erased,
  then acknowledged. Done twice it does the same.
- Unclaimed: for values not known to be claimed after a while, metadata is asked to refuse the
  id. Refusing and claiming insert the same key there, so one of the two wins, whatever the
  delays.
- Everything: slowly, the same question for every value, so that nothing remembered here
  counts as proof.

Only an id answered `refused` or `erased` is erased on the last two ways.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from chassis.clock import Clock
from vault_svc.ports.metadata import MetadataClient, ValueState
from vault_svc.ports.values import SealedValueStore, ValueKey

_GONE = frozenset({ValueState.REFUSED, ValueState.ERASED})
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
        """Metadata has been asked about every value of some age; the refused ones are gone."""

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
            answers = [
                answer for answer in await self.metadata.refuse(keys) if answer[0] in asked
            ]
            erased += await self.values.erase([k for k, state in answers if state in _GONE])
            await self.values.mark_claimed(
                [k for k, state in answers if state in _ACCOUNTED_FOR], self.clock.now()
            )
        return erased

    async def _pages(self, page: Page) -> AsyncIterator[tuple[ValueKey, ...]]:
        after = None
        while keys := await page(after):
            yield keys
            if len(keys) < self.rule.page_size:
                return
            after = keys[-1]
