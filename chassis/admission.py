"""How many calls are under way at a time, and whose. Pure.

- A caller may hold at most three times as many places as are free. One alone leaves a quarter
  free for others; the more callers there are, the less each may hold; nobody is named
  beforehand, and no place is kept empty for those who do not come. From four places on, no
  caller alone can fill them.
- Who a caller is, is decided elsewhere; here it is a number.
Source: A. K. Choudhury, E. L. Hahne, "Dynamic queue length thresholds for shared-memory packet
switches", IEEE/ACM Transactions on Networking 6(2), 1998.
"""

TIMES_FREE = 3


class ConcurrencyLimiter:
    """A number of places. A place that is taken is given back, once."""

    __slots__ = ("_held", "_limit", "taken")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[int, int] = {}
        self.taken = 0

    @property
    def full(self) -> bool:
        """Whether nobody has room."""
        return self.taken >= self._limit

    def has_room_for(self, caller: int) -> bool:
        """Whether the caller may take one more."""
        free = self._limit - self.taken
        return free > 0 and self._held.get(caller, 0) < TIMES_FREE * free

    def take(self, caller: int) -> None:
        """The caller holds one more."""
        self.taken += 1
        self._held[caller] = self._held.get(caller, 0) + 1

    def give_back(self, caller: int) -> None:
        """The caller holds one less; nothing is kept of one who holds none."""
        self.taken -= 1
        left = self._held[caller] - 1
        if left:
            self._held[caller] = left
        else:
            del self._held[caller]
