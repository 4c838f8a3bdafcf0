"""What `resourceVersion` and `resourceVersionMatch` ask of a read, as Kubernetes has it.

Every read is of the primary database and so of the newest state: "not older than" holds unless
the version asked for does not exist yet. Invalid combinations are told as `Invalid`, each on
its own parameter. Source: Kubernetes API concepts, "Resource versions".
"""

from dataclasses import dataclass

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from gateway.errors import BadRequestError, ResourceVersionTooLargeError
from gateway.queries.paging import MAX_RESOURCE_VERSION
from gateway.queries.query import Query

VERSION, MATCH, INITIAL = "resourceVersion", "resourceVersionMatch", "sendInitialEvents"
EXACT, NOT_OLDER = "Exact", "NotOlderThan"

_LONGEST = len(str(MAX_RESOURCE_VERSION))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedState:
    """Which state a list is to be of; 0 asks for nothing in particular."""

    exact: int = 0
    not_older_than: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStart:
    """Where a watch begins: with what there is, after a version, or with what comes next."""

    initial: bool
    after: int = 0
    """For `initial`: what there is, is to be no older. Else 0 means the present."""
    tells_initial_end: bool = False


def resource_version_from(query: Query) -> int:
    """The version asked for, 0 when it is any. Raises BadRequestError: it cannot be one."""
    text = query.text(VERSION) or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST):
        raise BadRequestError(f"{VERSION}: must be one that the server gave")
    version = int(text)
    if version > MAX_RESOURCE_VERSION:
        raise BadRequestError(f"{VERSION}: must be one that the server gave")
    return version


def listed_state_from(query: Query) -> ListedState:
    """Raises BadRequestError; InvalidArgumentError: the parameters do not go together."""
    version, match = resource_version_from(query), query.text(MATCH)
    continues = bool(query.text("continue"))
    _refuse(*_list_violations(query, match, continues=continues))
    if version and continues:
        raise BadRequestError(f"{VERSION}: must not be given with continue")
    # A limit without a match is an old way to ask for exactly that version.
    if match == EXACT or (version and not match and query.count("limit")):
        return ListedState(exact=version)
    return ListedState(not_older_than=version)


def watch_start_from(query: Query) -> WatchStart:
    """Raises BadRequestError; InvalidArgumentError: the parameters do not go together."""
    version, match = resource_version_from(query), query.text(MATCH)
    asked = query.text(INITIAL)
    _refuse(*_watch_violations(match, asked))
    if asked:
        initial = query.flag(INITIAL)
        return WatchStart(initial=initial, after=version, tells_initial_end=initial)
    return WatchStart(initial=not version, after=version)


def check_exists(version: int, counter: int) -> None:
    """Raises ResourceVersionTooLargeError: nothing has happened yet under that version."""
    if version > counter:
        raise ResourceVersionTooLargeError


def _list_violations(query: Query, match: str, *, continues: bool) -> list[FieldViolation]:
    found = _match_violations(match, (EXACT, NOT_OLDER))
    if match and not query.text(VERSION):
        found.append(_forbidden(MATCH, f"needs {VERSION}"))
    if match and continues:
        found.append(_forbidden(MATCH, "must not be given with continue"))
    if match == EXACT and query.text(VERSION) == "0":
        found.append(_forbidden(MATCH, f'must not be {EXACT} for {VERSION} "0"'))
    if query.text(INITIAL):
        found.append(_forbidden(INITIAL, "is for watches only"))
    return found


def _watch_violations(match: str, initial: str) -> list[FieldViolation]:
    if initial and match != NOT_OLDER:
        return [_forbidden(MATCH, f"must be {NOT_OLDER} with {INITIAL}")]
    if match and not initial:
        return [_forbidden(MATCH, f"must not be given to a watch without {INITIAL}")]
    return []


def _match_violations(match: str, allowed: tuple[str, ...]) -> list[FieldViolation]:
    if not match or match in allowed:
        return []
    return [FieldViolation(MATCH, Rule.INVALID, f"must be {' or '.join(allowed)}")]


def _forbidden(field: str, message: str) -> FieldViolation:
    return FieldViolation(field, Rule.FORBIDDEN, message)


def _refuse(*violations: FieldViolation) -> None:
    if violations:
        raise InvalidArgumentError(violations=violations)
