"""What a change is to whoever watches a selection."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


class EventType(StrEnum):
    """What happened to the selection."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"  # gone, or no longer selected
    BOOKMARK = "BOOKMARK"  # nothing, up to this resource version


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Generic[T_co]):
    """A watch that starts again from `resource_version` misses nothing that came after this.

    A bookmark has no item; with `initial_end`, everything that there was has been told.
    """

    type: EventType
    resource_version: int
    item: T_co | None = None
    initial_end: bool = False


def event_type(*, selected_before: bool, selected_after: bool) -> EventType | None:
    """What a change is to a selection; None if the selection knows nothing of it."""
    match selected_before, selected_after:
        case False, True:
            return EventType.ADDED
        case True, True:
            return EventType.MODIFIED
        case True, False:
            return EventType.DELETED
        case _:
            return None
