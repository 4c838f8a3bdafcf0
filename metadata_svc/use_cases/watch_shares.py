"""How many watches each subject has open, of all that this process serves.

A watch lasts as long as its caller likes. Without a share, whoever may read a single name could
take every place, and nobody else could watch.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from chassis.caller import Caller
from chassis.errors import ResourceExhaustedError


class WatchShares:
    """The same number for every subject, over both kinds and all namespaces."""

    def __init__(self, per_subject: int) -> None:
        self._per_subject = per_subject
        self._open: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def of(self, caller: Caller) -> Iterator[None]:
        """Inside the block the caller's subject has one place less.

        Subjects of different issuers are different subjects. Raises ResourceExhaustedError if
        no place is left.
        """
        subject = (caller.issuer, caller.subject)
        if self._open[subject] >= self._per_subject:
            structlog.get_logger().info("watch refused", subject=caller.subject)
            raise ResourceExhaustedError("too many watches at a time; please end some first")
        self._open[subject] += 1
        try:
            yield
        finally:
            self._open[subject] -= 1
            if not self._open[subject]:
                del self._open[subject]
