"""How many watches each caller has open, of all that this process serves.

A watch lasts as long as its caller likes. Without a share, whoever may read a single name could
take every place, and nobody else could watch.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.caller import Caller, Principal
from chassis.errors import ResourceExhaustedError
from chassis.telemetry import record


class WatchShares:
    """The same number for every issuer's every subject, over both kinds and all namespaces."""

    def __init__(self, per_subject: int) -> None:
        self._per_subject = per_subject
        self._open: Counter[Principal] = Counter()

    @contextmanager
    def of(self, caller: Caller) -> Iterator[None]:
        """Inside the block the caller has one place less.

        Raises ResourceExhaustedError if no place is left.
        """
        principal = caller.principal
        if self._open[principal] >= self._per_subject:
            record("watch refused", issuer=caller.issuer, subject=caller.subject)
            raise ResourceExhaustedError("too many watches at a time; please end some first")
        self._open[principal] += 1
        try:
            yield
        finally:
            self._open[principal] -= 1
            if not self._open[principal]:
                del self._open[principal]
