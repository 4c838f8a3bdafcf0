"""The `continue` token: where a list goes on, opaque to clients.

It grants nothing: every page is authorised by the token of its own request. Its checksum is no
secret; it only tells our tokens, used on the list they came from, from everything else.
"""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from gateway.errors import BadRequestError
from gateway.kinds import Target
from protos.splitkeep.metadata.v1.selector_pb2 import Selector

MAX_LIMIT = 500
"""A longer limit gets shorter pages, which Kubernetes allows."""

MAX_RESOURCE_VERSION = 2**63 - 1

_CHECKSUM_BYTES = 12
_FORMAT = b"splitkeep continue 2"
_NAME = re.compile(r"[a-z0-9.-]{1,253}")


@dataclass(frozen=True, slots=True)
class Position:
    """After which name the list goes on, and the counter read before its first page."""

    resource_version: int
    after_name: str
    exact: bool = False
    """Whether every page must be of the state that the first one was of."""


@dataclass(frozen=True, slots=True)
class ListIdentity:
    """Which list it is: a token of one serves no other."""

    target: Target
    selector: Selector

    def encoded(self) -> bytes:
        """Different for every two lists."""
        target = self.target
        path = (target.api_version, target.namespace, target.kind.plural)
        return msgspec.json.encode([*path, self.selector.SerializeToString(deterministic=True)])


def continue_token(position: Position, of: ListIdentity) -> str:
    """The token for a list that stopped at `position`."""
    payload = msgspec.json.encode(
        [position.resource_version, position.after_name, position.exact]
    )
    checksum = sha256(b"\0".join((_FORMAT, of.encoded(), payload))).digest()
    return urlsafe_b64encode(checksum[:_CHECKSUM_BYTES] + payload).decode()


def position_from(token: str, of: ListIdentity) -> Position:
    """Raises BadRequestError: the token was not made for this list."""
    position = _position(token)
    if position is None or continue_token(position, of) != token:
        raise BadRequestError(
            "continue: must be the token that this same list was answered with"
        )
    return position


def _position(token: str) -> Position | None:
    """What the token says, which anyone may have written."""
    try:
        payload = urlsafe_b64decode(token.encode("ascii"))[_CHECKSUM_BYTES:]
        version, name, exact = msgspec.json.decode(payload, type=tuple[int, str, bool])
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not (0 <= version <= MAX_RESOURCE_VERSION and _NAME.fullmatch(name)):
        return None
    return Position(resource_version=version, after_name=name, exact=exact)
