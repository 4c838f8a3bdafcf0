"""Which form an answer is given in: what the client takes, in the order it prefers.

- JSON is what is answered unless something else is asked for; YAML is there for people.
- `as=Table` and `as=PartialObjectMetadata` of `meta.k8s.io` ask for another rendering of the
  same thing (Kubernetes API concepts, "Receiving resources as Tables" and "Metadata-only").
- A watch is a stream of JSON lines, so YAML is not for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from gateway.errors import BadRequestError, NotAcceptableError
from gateway.queries.query import Query
from gateway.rendering.accept import MediaRange, accepts_gzip, media_ranges

JSON, YAML = "application/json", "application/yaml"
META_GROUP = "meta.k8s.io"
META_VERSIONS = ("v1", "v1beta1")


class Shape(Enum):
    """What stands for an object."""

    WHOLE = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"


class Included(Enum):
    """What a table's row has of the object beside its cells."""

    NOTHING = "None"
    METADATA = "Metadata"
    OBJECT = "Object"


class Asked(Enum):
    """What kind of answer a request expects."""

    OBJECT = "an object"
    LIST = "a list"
    WATCH = "a watch"


_UNKNOWN = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one answer is written."""

    media_type: str = JSON
    shape: Shape = Shape.WHOLE
    meta_version: str = "v1"
    """Of the group `meta.k8s.io`, for tables and metadata alone."""
    included: Included = Included.METADATA
    pretty: bool = False
    compressible: bool = False
    now: datetime = _UNKNOWN
    """What ages are counted from."""


PLAIN = Form()
"""For what is answered before anything is known of the client."""


def form_for(
    asked: Asked, *, accepts: list[str], encodings: list[str], query: Query, now: datetime
) -> Form:
    """The form that the client likes best of those there are.

    Raises NotAcceptableError: it takes none. BadRequestError: a parameter that shapes the form
    has no known value.
    """
    media_type, shape, version = _best(media_ranges(accepts), asked)
    return Form(
        media_type=media_type,
        shape=shape,
        meta_version=version,
        included=_included(query) if shape is Shape.TABLE else Included.METADATA,
        pretty=query.flag("pretty"),
        compressible=asked is not Asked.WATCH and accepts_gzip(encodings),
        now=now,
    )


def media_type_of_errors(accepts: list[str]) -> str:
    """In which of the two a failure is told: JSON, unless the client prefers YAML."""
    try:
        ranges = _by_preference(media_ranges(accepts))
    except NotAcceptableError:
        return JSON
    return next((named for named in map(_media_type, ranges) if named), JSON)


def _best(ranges: Iterable[MediaRange], asked: Asked) -> tuple[str, Shape, str]:
    for candidate in _by_preference(ranges):
        media_type = _media_type(candidate)
        if not media_type or (media_type == YAML and asked is Asked.WATCH):
            continue
        shape = _shape(candidate, asked)
        if shape is not None:
            return media_type, shape, candidate.parameters.get("v", "v1")
    raise NotAcceptableError(f"only the following media types can be answered: {JSON}, {YAML}")


def _by_preference(ranges: Iterable[MediaRange]) -> list[MediaRange]:
    """The most wanted first; among equals, the more exact; then in the order given."""
    taken = [each for each in ranges if not each.is_refused]
    return sorted(taken, key=lambda each: (-each.quality, each.media_type.count("*")))


def _media_type(candidate: MediaRange) -> str:
    return next((known for known in (JSON, YAML) if candidate.covers(known)), "")


def _shape(candidate: MediaRange, asked: Asked) -> Shape | None:
    """The shape that is asked for; None when there is no such shape of the answer."""
    kind = candidate.parameters.get("as", "")
    if not kind:
        return Shape.WHOLE
    group, version = candidate.parameters.get("g"), candidate.parameters.get("v")
    if group != META_GROUP or version not in META_VERSIONS:
        return None
    if kind == f"{Shape.METADATA.value}List":
        return Shape.METADATA if asked is Asked.LIST else None
    return next((shape for shape in (Shape.TABLE, Shape.METADATA) if shape.value == kind), None)


def _included(query: Query) -> Included:
    text = query.text("includeObject") or Included.METADATA.value
    known = {included.value: included for included in Included}
    if text not in known:
        raise BadRequestError(f"includeObject: must be {', '.join(known)}")
    return known[text]
