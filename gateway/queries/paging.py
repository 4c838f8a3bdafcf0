"""The `continue` token: where a list goes on, opaque to clients.

It grants nothing: every page is authorised by the token of its own request. Its checksum is no
secret; it only tells our tokens, used on the list they came from, from everything else.
"""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec

from gateway.errors import BadRequestError
from gateway.kinds import Target
from gateway.queries.ordering import Ordering, Place
from protos.splitkeep.metadata.v1.selector_pb2 import Selector

MAX_LIMIT = 500
"""A longer limit gets shorter pages, which Kubernetes allows."""

MAX_RESOURCE_VERSION = 2**63 - 1

_CHECKSUM_BYTES = 12
_FORMAT = b"splitkeep continue 2"
MAX_MICROSECONDS = 253_402_300_800_000_000
"""The year 10000."""

_NAME = re.compile(r"[a-z0-9.-]{1,253}")


class _Payload(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A position as a token has it: without a time where the list is not by time."""

    resource_version: int
    name: str
    exact: bool
    microseconds: int | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """After which place the list goes on, and the counter read before its first page."""

    resource_version: int
    after: Place
    exact: bool = False
    """Whether every page must be of the state that the first one was of."""


@dataclass(frozen=True, slots=True)
class ListIdentity:
    """Which list it is: a token of one serves no other."""

    target: Target
    selector: Selector
    ordering: Ordering = field(default_factory=Ordering)

    def encoded(self) -> bytes:
        """Different for every two lists; a plain one as in releases without orderings."""
        target, ordering = self.target, self.ordering
        path = (target.api_version, target.namespace, target.kind.plural)
        selector = self.selector.SerializeToString(deterministic=True)
        order = (ordering.search, ordering.sort_by, ordering.descending)
        return msgspec.json.encode([*path, selector, *(() if ordering.is_plain else order)])

    def has_place(self, place: Place) -> bool:
        """Whether the list has such places: with a time exactly if it is ordered by time."""
        by_time = self.ordering.sort_by != "name"
        return by_time is (place.microseconds is not None)


def continue_token(position: Position, of: ListIdentity) -> str:
    """The token for a list that stopped at `position`."""
    name, microseconds = position.after
    time = () if microseconds is None else (microseconds,)
    payload = msgspec.json.encode([position.resource_version, name, position.exact, *time])
    checksum = sha256(b"\0".join((_FORMAT, of.encoded(), payload))).digest()
    return urlsafe_b64encode(checksum[:_CHECKSUM_BYTES] + payload).decode()


def position_from(token: str, of: ListIdentity) -> Position:
    """Raises BadRequestError: the token was not made for this list."""
    position = _position(token)
    known = position is not None and of.has_place(position.after)
    if position is None or not known or continue_token(position, of) != token:
        raise BadRequestError(
            "continue: must be the token that this same list was answered with"
        )
    return position


def _position(token: str) -> Position | None:
    """What the token says, which anyone may have written."""
    try:
        payload = urlsafe_b64decode(token.encode("ascii"))[_CHECKSUM_BYTES:]
        said = msgspec.json.decode(payload, type=_Payload)
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    version, time = said.resource_version, said.microseconds
    if not (0 <= version <= MAX_RESOURCE_VERSION and _NAME.fullmatch(said.name)):
        return None
    if time is not None and abs(time) >= MAX_MICROSECONDS:
        return None
    return Position(version, Place(said.name, time), exact=said.exact)
