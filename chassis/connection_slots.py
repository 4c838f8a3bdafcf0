"""How many connections a port has open, counted from the moment they are accepted.

Until its caller is authenticated, a connection also counts against its source
(chassis/source_address.py).
"""

from collections.abc import Callable

from chassis.source_address import source_of

LIMIT = "connections"
SOURCE_LIMIT = "connections_of_source"


class ConnectionRefusedByLimitError(Exception):
    """There is no slot for the connection; `reason` is the limit, as metrics name it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConnectionSlots:
    """At most `limit` connections, and `strangers_per_source` of unknown callers."""

    def __init__(
        self,
        limit: int,
        *,
        strangers_per_source: int | None = None,
        refused: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self.limit = limit
        self.open = 0
        self.refused = refused
        """Called with the reason of each refusal."""
        self._per_source = strangers_per_source or limit
        self._strangers: dict[str, int] = {}

    def take(self, host: str) -> "Slot":
        """A slot for a connection from there. Raises ConnectionRefusedByLimitError."""
        source = source_of(host)
        strangers = self._strangers.get(source, 0)
        if self.open >= self.limit or strangers >= self._per_source:
            reason = LIMIT if self.open >= self.limit else SOURCE_LIMIT
            self.refused(reason)
            raise ConnectionRefusedByLimitError(reason)
        self.open += 1
        self._strangers[source] = strangers + 1
        return Slot(self, source)

    def forget_stranger(self, source: str) -> None:
        """One of the source's connections does not count against it any more."""
        left = self._strangers.pop(source) - 1
        if left:
            self._strangers[source] = left


class Slot:
    """Of one connection. It is free again once it is released, however often that happens."""

    __slots__ = ("_slots", "_source", "is_established", "is_released")

    def __init__(self, slots: ConnectionSlots, source: str) -> None:
        self._slots = slots
        self._source: str | None = source
        self.is_established = False
        """Whether the connection has a protocol, which releases the slot at its end."""
        self.is_released = False

    def accept_caller(self) -> None:
        """The connection is of an accepted caller, and counts against no source."""
        if self._source is not None:
            self._slots.forget_stranger(self._source)
            self._source = None

    def refused(self, reason: str) -> None:
        """The connection is ended, or what it asks refused, for a reason that metrics name."""
        self._slots.refused(reason)

    def release(self) -> None:
        """The connection is over."""
        if not self.is_released:
            self.is_released = True
            self.accept_caller()
            self._slots.open -= 1
