"""In which order a list is, and where it goes on (protos/…/secure_values.proto)."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from protos.splitkeep.metadata.v1.secure_values_pb2 import ListSecureValuesRequest, SortKey

Place: TypeAlias = tuple[int, str]


def ordered(items: Sequence[Any], request: Any) -> list[Any]:
    """Those that the search finds; requests about keepers ask for neither."""
    if not isinstance(request, ListSecureValuesRequest):
        return list(items)
    found = [item for item in items if _is_found(item.name, request.search)]
    return sorted(found, key=_place(request), reverse=request.order.descending)


def after_place(items: Sequence[Any], request: Any) -> list[Any]:
    """Those that come after the place of the request."""
    if not request.after_name:
        return list(items)
    place = _place(request)
    if not isinstance(request, ListSecureValuesRequest):
        return [item for item in items if place(item) > (0, request.after_name)]
    after = (request.after_time.ToMicroseconds(), request.after_name)
    if request.order.descending:
        return [item for item in items if place(item) < after]
    return [item for item in items if place(item) > after]


def next_place(item: Any, request: Any) -> tuple[str, Timestamp | None]:
    """The name and the time after which the next page begins."""
    micros, name = _place(request)(item)
    if not micros:
        return name, None
    time = Timestamp()
    time.FromMicroseconds(micros)
    return name, time


def _place(request: Any) -> Callable[[Any], Place]:
    key = request.order.key if isinstance(request, ListSecureValuesRequest) else None
    fields = {SortKey.SORT_KEY_CREATED: "created_at", SortKey.SORT_KEY_MODIFIED: "updated_at"}
    return lambda item: (
        getattr(item, fields[key]).ToMicroseconds() if key in fields else 0,
        item.name,
    )


def _is_found(name: str, search: str) -> bool:
    words = name.replace(".", "-").split("-")
    starts = [sum(len(word) + 1 for word in words[:n]) for n in range(len(words))]
    return any(name[start:].startswith(search) for start in starts)
