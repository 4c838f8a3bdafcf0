"""Request paths: decoded once, and only when every reader would decode them alike."""

import re
from urllib.parse import unquote_to_bytes

from gateway.errors import BadRequestError

_AMBIGUOUS = re.compile(r"[/\\\x00-\x1f\x7f]")
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def check_path(raw_path: bytes) -> None:
    """Raises BadRequestError unless every part stands for itself.

    Refused is a part that is empty, a dot segment, or decodes to a separator, to a control
    character or to what is not UTF-8.
    A proxy before the gateway and the router behind this check might take such a path for two
    different ones (RFC 3986 §2.2, §6.2.2), and the access decision would be on the wrong one.
    """
    parts = raw_path.removesuffix(b"/").split(b"/")[1:]
    if not raw_path.startswith(b"/") or any(_is_ambiguous(part) for part in parts):
        raise BadRequestError(
            "the path has a part that is empty, a dot segment or wrongly encoded"
        )


def _is_ambiguous(part: bytes) -> bool:
    if _ESCAPE.search(part):
        return True
    try:
        text = unquote_to_bytes(part).decode("utf-8")
    except UnicodeDecodeError:
        return True
    return text in {"", ".", ".."} or _AMBIGUOUS.search(text) is not None
