"""The `continue` token: where a list goes on, opaque to clients.

It grants nothing: every page is authorised by the token of its own request. Its checksum is no
secret; it only tells our tokens, used on the list they came from, from everything else.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from gateway.errors import BadRequestError
from protos.splitkeep.metadata.v1.selector_pb2 import Selector

MAX_LIMIT = 500
"""A longer limit gets shorter pages, which Kubernetes allows."""

_CHECKSUM_BYTES = 12
_FORMAT = b"splitkeep continue 1"


@dataclass(frozen=True, slots=True)
class Position:
    """After which name the list goes on, and the counter read before its first page."""

    resource_version: int
    after_name: str


def continue_token(position: Position, *, namespace: str, selector: Selector) -> str:
    """The token for a list that stopped at `position`."""
    payload = msgspec.json.encode([position.resource_version, position.after_name])
    return urlsafe_b64encode(_checksum(payload, namespace, selector) + payload).decode()


def position_from(token: str, *, namespace: str, selector: Selector) -> Position:
    """Raises BadRequestError: the token was not made for this list."""
    position = _position(token, namespace, selector)
    if position is None:
        raise BadRequestError(
            "continue: must be the token that this same list was answered with"
        )
    return position


def _position(token: str, namespace: str, selector: Selector) -> Position | None:
    try:
        sealed = urlsafe_b64decode(token.encode("ascii"))
        checksum, payload = sealed[:_CHECKSUM_BYTES], sealed[_CHECKSUM_BYTES:]
        if checksum != _checksum(payload, namespace, selector):
            return None
        resource_version, after_name = msgspec.json.decode(payload, type=tuple[int, str])
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError):
        return None
    return Position(resource_version=resource_version, after_name=after_name)


def _checksum(payload: bytes, namespace: str, selector: Selector) -> bytes:
    context = msgspec.json.encode([namespace, selector.SerializeToString(deterministic=True)])
    return sha256(b"\0".join((_FORMAT, context, payload))).digest()[:_CHECKSUM_BYTES]
