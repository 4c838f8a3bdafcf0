"""How many failed verifications of credentials each source may cause. Pure.

- Verifying a signature costs as much as serving a call, and anyone can cause one with every
  call. A token bucket for each source (chassis/source_address.py) bounds that. A valid
  credential costs nothing.
- The number of sources is bounded; the least recently used one is dropped.
"""

from collections import OrderedDict
from collections.abc import Callable

from chassis.errors import ResourceExhaustedError

FAILURES_PER_SECOND = 100.0  # a hundredth of one processor
BURST = 500.0
REMEMBERED_SOURCES = 4_096


class VerificationBudget:
    """Of one port."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        failures_per_second: float = FAILURES_PER_SECOND,
        burst: float = BURST,
    ) -> None:
        """`now` is a clock in seconds that never goes back."""
        self._now, self._rate, self._burst = now, failures_per_second, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, source: str) -> None:
        """One verification is paid for. Raises ResourceExhaustedError if none is left."""
        now = self._now()
        left, at = self._left.pop(source, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        self._left[source] = (max(0.0, left - 1), now)
        if len(self._left) > REMEMBERED_SOURCES:
            self._left.popitem(last=False)
        if left < 1:
            raise ResourceExhaustedError("too many credentials of this address were refused")

    def refund(self, source: str) -> None:
        """The credential was valid."""
        if source in self._left:
            left, at = self._left[source]
            self._left[source] = (min(self._burst, left + 1), at)
