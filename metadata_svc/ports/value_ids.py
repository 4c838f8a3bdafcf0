"""The fate of value ids, inside a transaction."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.value_id import ReleasedPlace, ValueKey, ValueRecord, ValueState


class ValueIdStore(Protocol):
    """The fate of every value id, inside a transaction.

    Suite: tests/contracts/metadata_svc/value_id_store.py.
    """

    async def claim(self, key: ValueKey) -> ValueRecord | None:
        """None: the id is claimed now, by this transaction. Else what was recorded before.

        Of two transactions that decide one id, the second waits for the first to end.
        """
        ...

    async def record(self, key: ValueKey, outcome: SecureValue) -> None:
        """The claim's outcome stands beside the id until it is forgotten."""
        ...

    async def release(self, key: ValueKey) -> None:
        """A claimed id is released, its age counted from now by the database's clock."""
        ...

    async def refuse(self, keys: Sequence[ValueKey]) -> dict[ValueKey, ValueState]:
        """Every id that nobody decided is refused; says where each id stands afterwards."""
        ...

    async def released(
        self, *, minimum_age: timedelta, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        """Ids released at least that long ago, in the order of keys, after `after`."""
        ...

    async def released_since(
        self, *, place: ReleasedPlace | None, limit: int
    ) -> tuple[ReleasedPlace, ...]:
        """Ids released after `place` and not later than now, in the order of their release.

        One that claims to have been released before 1970 is left out.
        """
        ...

    async def forget_outcomes(self, *, minimum_age: timedelta, limit: int) -> int:
        """At most `limit` outcomes at least that old are gone, oldest first; how many.

        Their age counts from the claim, by the database's clock. The ids stay where they stand:
        none of them is ever claimed again.
        """
        ...

    async def acknowledge(self, keys: Sequence[ValueKey]) -> None:
        """Those of the ids that are released are erased; the others stay as they are."""
        ...
