"""`search` and `sortBy` of a list, and the places in its order where pages begin."""

from dataclasses import dataclass
from typing import NamedTuple

from gateway.errors import BadRequestError
from gateway.kinds import SECURE_VALUE, Target
from gateway.queries.query import Query
from protos.splitkeep.metadata.v1.secure_values_pb2 import ListOrder, SortKey

SEARCH, SORT_BY = "search", "sortBy"
MAX_SEARCH_CHARACTERS = 253
"""As metadata bounds it: the longest name."""

REVERSE = "-"
SORT_KEYS = {
    "name": SortKey.SORT_KEY_NAME,
    "created": SortKey.SORT_KEY_CREATED,
    "modified": SortKey.SORT_KEY_MODIFIED,
}


class Place(NamedTuple):
    """Where a page begins: after this name, in a list by time after this time and name."""

    name: str = ""
    microseconds: int | None = None
    """Since 1970-01-01T00:00:00Z."""


START = Place()


@dataclass(frozen=True, slots=True)
class Ordering:
    """What is searched for, in small letters, and the order; by name if nothing is asked."""

    search: str = ""
    sort_by: str = "name"
    descending: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether there is neither a search nor an order of its own."""
        return self == Ordering()

    def to_proto(self) -> ListOrder:
        """The order as metadata is asked for it."""
        return ListOrder(key=SORT_KEYS[self.sort_by], descending=self.descending)


def ordering_from(query: Query, target: Target) -> Ordering:
    """Raises BadRequestError: a parameter cannot be read, or the kind has none of them."""
    if target.kind != SECURE_VALUE:
        refuse_ordering(query, "is for lists of secure values")
    search, sort_by = query.text(SEARCH), query.text(SORT_BY) or "name"
    if len(search) > MAX_SEARCH_CHARACTERS or "\0" in search:
        raise BadRequestError(
            f"{SEARCH}: must be at most {MAX_SEARCH_CHARACTERS} characters and no NUL"
        )
    key = sort_by.removeprefix(REVERSE)
    if key not in SORT_KEYS:
        raise BadRequestError(
            f"{SORT_BY}: must be {', '.join(SORT_KEYS)}, or one of them after {REVERSE}"
        )
    return Ordering(search.lower(), key, descending=key != sort_by)


def refuse_ordering(query: Query, rule: str) -> None:
    """Whoever asks for a part must not get the whole. Raises BadRequestError."""
    for name in (SEARCH, SORT_BY):
        if query.text(name):
            raise BadRequestError(f"{name}: {rule}")
