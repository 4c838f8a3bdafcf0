"""What the vault's sweeper asks: the fate of value ids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.text import is_storable
from metadata_svc.domain.value_id import ReleasedPlace, ValueKey, ValueState
from metadata_svc.ports.transactions import Transactions

MAX_VALUES = 1000
# No age is longer; it keeps the arithmetic of both clocks inside their ranges.
MAX_AGE = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class ValueFates:
    """Refuses, lists and closes value ids."""

    transactions: Transactions

    async def refuse(self, keys: Sequence[ValueKey]) -> tuple[tuple[ValueKey, ValueState], ...]:
        """Each id's final say, in the order asked; what nobody had decided is refused now.

        Raises InvalidArgumentError for more than 1 000 ids.
        """
        _require_bounded(keys)
        distinct = sorted(set(keys))
        states = await self.transactions.run(lambda tx: tx.value_ids.refuse(distinct))
        return tuple((key, states[key]) for key in keys)

    async def released(
        self, *, minimum_age: timedelta, after: ValueKey | None, page_size: int
    ) -> tuple[ValueKey, ...]:
        """A page of ids released at least that long ago by the database's clock.

        Raises InvalidArgumentError for a negative age or a page size outside 0 to 1 000.
        """
        rules = (
            ("minimum_age", timedelta(0) <= minimum_age, "must not be negative"),
            ("page_size", 0 <= page_size <= MAX_VALUES, f"must be 0 to {MAX_VALUES}"),
            ("after", after is None or is_storable(after.namespace), "must not contain NUL"),
        )
        _require(rules)
        return await self.transactions.run(
            lambda tx: tx.value_ids.released(
                minimum_age=min(minimum_age, MAX_AGE),
                after=after,
                limit=page_size or MAX_VALUES,
            )
        )

    async def released_since(
        self, *, place: ReleasedPlace | None, page_size: int
    ) -> tuple[ReleasedPlace, ...]:
        """A page of released ids in the order of their release; None is the beginning.

        Raises InvalidArgumentError for a page size outside 0 to 1 000.
        """
        rules = (
            ("page_size", 0 <= page_size <= MAX_VALUES, f"must be 0 to {MAX_VALUES}"),
            (
                "since",
                place is None or is_storable(place.key.namespace),
                "must not contain NUL",
            ),
        )
        _require(rules)
        return await self.transactions.run(
            lambda tx: tx.value_ids.released_since(place=place, limit=page_size or MAX_VALUES)
        )

    async def acknowledge(self, keys: Sequence[ValueKey]) -> None:
        """The released ones among the ids are erased; again is as good as once.

        Raises InvalidArgumentError for more than 1 000 ids.
        """
        _require_bounded(keys)
        distinct = sorted(set(keys))
        await self.transactions.run(lambda tx: tx.value_ids.acknowledge(distinct))


def _require(rules: Iterable[tuple[str, bool, str]]) -> None:
    found = tuple(FieldViolation(path, Rule.INVALID, m) for path, ok, m in rules if not ok)
    if found:
        raise InvalidArgumentError(violations=found)


def _require_bounded(keys: Sequence[ValueKey]) -> None:
    if len(keys) > MAX_VALUES:
        message = f"must have at most {MAX_VALUES} items"
        violation = FieldViolation("values", Rule.TOO_MANY, message)
        raise InvalidArgumentError(violations=(violation,))
    if not all(is_storable(key.namespace) for key in keys):
        violation = FieldViolation("values", Rule.INVALID, "must not contain NUL")
        raise InvalidArgumentError(violations=(violation,))
