"""Request paths: decoded once, and only when every reader would decode them alike.

Every path that is served is written in lower-case ASCII, names included: what only looks like
one of them is refused before anything is decided about it.
"""

import re
from urllib.parse import unquote_to_bytes

from gateway.errors import BadRequestError

KUBERNETES_PREFIX = "/k8s"
"""Every path is also served below it, as Kubernetes' own clients expect a server to be."""

_AMBIGUOUS = re.compile(r"[/\\;%A-Z\x00-\x20\x7f]")
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def check_path(raw_path: bytes) -> None:
    """Raises BadRequestError unless every part stands for itself.

    Refused is a part that is empty, a dot segment, or decodes to a separator, to a control
    character, to what another reader would decode once more, or to what is no lower-case ASCII:
    letter case, full-width forms and homoglyphs are folded by some readers.
    A proxy before the gateway and the router behind this check might take such a path for two
    different ones (RFC 3986 §2.2, §6.2.2), and the access decision would be on the wrong one.
    """
    parts = raw_path.removesuffix(b"/").split(b"/")[1:]
    if not raw_path.startswith(b"/") or any(_is_ambiguous(part) for part in parts):
        raise BadRequestError(
            "the path has a part that is empty, a dot segment, wrongly encoded "
            "or not in lower-case ASCII"
        )


def canonical_path(path: str) -> str:
    """The decoded path without a slash at its end, which changes nothing."""
    return path.removesuffix("/") or "/"


def prefix_of(path: str) -> str:
    """`KUBERNETES_PREFIX` for a path below it, nothing for any other."""
    return KUBERNETES_PREFIX if path.startswith(f"{KUBERNETES_PREFIX}/") else ""


def _is_ambiguous(part: bytes) -> bool:
    decoded = unquote_to_bytes(part)
    if _ESCAPE.search(part) or not decoded.isascii():
        return True
    text = decoded.decode("ascii")
    return text in {"", ".", ".."} or _AMBIGUOUS.search(text) is not None
