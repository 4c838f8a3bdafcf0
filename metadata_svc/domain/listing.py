"""In which order a list is, where it goes on, and what a search finds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chassis.errors import FieldViolation, Rule
from metadata_svc.domain.text import is_storable

MAX_SEARCH_LENGTH = 253  # the longest name

_TOO_LONG = f"must have at most {MAX_SEARCH_LENGTH} characters"
_WORD_STARTS_AFTER = ("-", ".")


class SortKey(StrEnum):
    """What a list may be sorted by."""

    NAME = "name"
    CREATED = "created"
    MODIFIED = "modified"


@dataclass(frozen=True, slots=True)
class Order:
    """By the key, and by name where the key is equal; descending is exactly the reverse."""

    key: SortKey = SortKey.NAME
    descending: bool = False

    @property
    def by_time(self) -> bool:
        """Whether a place in the list has a time."""
        return self.key is not SortKey.NAME


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after this name, in a list by time after this time and name."""

    name: str = ""
    time: datetime | None = None


START = Place()


def is_found(name: str, search: str) -> bool:
    """Whether the name, or what is left of it after a '-' or '.', begins with the text."""
    return name.startswith(search) or any(sign + search in name for sign in _WORD_STARTS_AFTER)


def listing_violations(search: str, order: Order, after: Place) -> tuple[FieldViolation, ...]:
    """Every rule that these break."""
    whole = after == START or order.by_time is (after.time is not None)
    rules = (
        ("search", len(search) <= MAX_SEARCH_LENGTH, _TOO_LONG),
        ("search", is_storable(search), "must not contain NUL"),
        ("continue", is_storable(after.name), "must not contain NUL"),
        ("continue", whole, "must be of a list in the same order"),
    )
    return tuple(FieldViolation(path, Rule.INVALID, text) for path, ok, text in rules if not ok)
