"""How many credentials that nobody has verified yet one source may have verified. Pure.

- Verifying a signature costs as much as serving a call, and a stranger can ask for it with
  every call. A token bucket for each source address bounds that: a credential that turns out to
  be valid costs its source nothing.
- Of IPv6 a /64 is one source: whoever has one address of it has them all.
- So many sources are remembered; the one that was heard of least recently is forgotten.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import unquote

from chassis.errors import ResourceExhaustedError

FAILURES_PER_SECOND = 100.0  # a hundredth of one processor
BURST = 500.0
REMEMBERED_SOURCES = 4_096
IPV6_PREFIX_BITS = 64


def source_of(peer: str) -> str:
    """The source in gRPC's name of a peer, as in `ipv4:192.0.2.1:5000`."""
    kind, _, address = peer.partition(":")
    host = unquote(address).rpartition(":")[0].strip("[]")
    if kind != "ipv6":
        return host or kind
    try:
        network = (host.partition("%")[0], IPV6_PREFIX_BITS)
        return str(ipaddress.ip_network(network, strict=False))
    except ValueError:
        return host


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
