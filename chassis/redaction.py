"""What may stand in a log line. Pure.

- A field whose name says that it holds a secret is redacted, whatever it holds.
- Only plain values are rendered. Bytes and objects of any other class appear as their class,
  because their repr might hold anything.
- In text, what looks like a signed token, a bearer credential or a URL's password is redacted.
- An exception is its class and where it happened, never its message nor the line of source.
"""

import functools
import re
import traceback
from collections.abc import Mapping
from datetime import date, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from chassis.errors import KnownError
from chassis.sensitive import REDACTED, Sensitive

MAX_TEXT_CHARACTERS = 4_096
MAX_DEPTH = 6
MAX_FRAMES = 30

_SECRET_NAMES = frozenset(
    {
        "value",
        "values",
        "plaintext",
        "secret",
        "secrets",
        "dsn",
        "key",
        "kek",
        "dek",
        "body",
        "cookie",
    }
)
_SECRET_PARTS = (
    *("token", "authorization", "password", "passwd", "plaintext", "credential", "cookie"),
    *("secret_value", "key_material", "dsn"),
)
_SECRET_SUFFIXES = ("_key", "_keys", "_secret")
# What is about a secret but is none.
_HARMLESS_SUFFIXES = ("_id", "_ids", "_count", "_bytes", "_at", "_seconds", "_name", "_type")
# Each takes time in proportion to the text, whatever it is: callers choose names.
_PATTERNS = (
    re.compile(
        r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*+\.)[A-Za-z0-9_-]*?eyJ[A-Za-z0-9_-]*+\."
        r"[A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]*+)?"
    ),
    re.compile(r"(?i)\bbearer\s++\S+"),
    re.compile(r"(?<=://)[^/\s@:]*+:[^/\s@]*+(?=@)"),
    re.compile(r"(?i)\bpassword=\S+"),
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL
    ),
)
# What each of the patterns begins with: most texts have none of it, and are done at once.
_SUSPICIOUS = re.compile(r"(?i)eyJ|bearer|://|password=|-----BEGIN")


def redacted(name: str, value: Any, depth: int = 0) -> Any:
    """The value as a log line may show it under that name."""
    if isinstance(value, Sensitive) or _is_secret(name):
        return REDACTED
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (str, UUID, PurePath, date, timedelta)):
        return redacted_text(str(value))
    return _container(name, value, depth)


def plain_fields(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields as `redacted` leaves them; None if that takes looking into them.

    What is left to ask of these is whether a text in them looks like a credential: see
    `is_suspicious`.
    """
    plain = {**fields}
    for name, value in fields.items():
        if _is_secret(name):
            plain[name] = REDACTED
        elif not _is_plain(value) or name[:1] == "_":  # that is not ours
            return None
    return plain


def _is_plain(value: Any) -> bool:
    """Exact types only: a class derived from one of these may render as anything."""
    kind = type(value)
    if kind is str:
        return len(value) <= MAX_TEXT_CHARACTERS
    if kind is list or kind is tuple:
        return _are_plain(value)
    if kind is float:
        return bool(value - value == 0)  # neither infinite nor no number
    return value is None or kind is int or kind is bool


def _are_plain(items: list[Any] | tuple[Any, ...]) -> bool:
    for item in items:
        kind = type(item)
        if kind is not int and (kind is not str or len(item) > MAX_TEXT_CHARACTERS):
            return False
    return True


def is_suspicious(line: bytes) -> bool:
    """Whether a text in this line of JSON may look like a credential. May be wrong in that.

    JSON leaves every letter of a needle as it is. A line that is not ASCII is suspicious,
    because a pattern takes some letters for others (a long s for an s).
    """
    if not line.isascii():
        return True
    text = line.decode("ascii").lower()  # text is searched several times faster than bytes
    if "://" in text and "@" in text:
        return True
    # What the other patterns begin with; a loop over them costs as much as the search.
    return "eyj" in text or "bearer" in text or "password=" in text or "-----begin" in text


def redacted_text(text: str) -> str:
    """The text without what looks like a credential, and not endlessly long."""
    shown = text[: 2 * MAX_TEXT_CHARACTERS]  # what begins before the cut is still known by it
    if _SUSPICIOUS.search(shown):
        for pattern in _PATTERNS:
            shown = pattern.sub(REDACTED, shown)
    return shown if len(shown) <= MAX_TEXT_CHARACTERS else shown[:MAX_TEXT_CHARACTERS] + "…"


def describe_exception(error: BaseException) -> dict[str, Any]:
    """The exception's class and place, and the same of its causes; no text of theirs.

    A KnownError's message is shown: it is made of rules, for people.
    """
    described: dict[str, Any] = {"type": _class_name(error), "frames": _frames(error)}
    if isinstance(error, KnownError):
        described["message"] = redacted_text(error.message)
    if isinstance(error, BaseExceptionGroup):
        described["group"] = [
            describe_exception(inner) for inner in error.exceptions[:MAX_DEPTH]
        ]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        described["cause"] = describe_exception(cause)
    return described


@functools.lru_cache(maxsize=4_096)
def _is_secret(name: str) -> bool:
    lowered = name.lower().replace("-", "_")
    if lowered in _SECRET_NAMES:
        return True
    if lowered.endswith(_HARMLESS_SUFFIXES):
        return False
    return lowered.endswith(_SECRET_SUFFIXES) or any(part in lowered for part in _SECRET_PARTS)


def _container(name: str, value: Any, depth: int) -> Any:
    if depth < MAX_DEPTH and isinstance(value, Mapping):
        return {str(k): redacted(str(k), v, depth + 1) for k, v in value.items()}
    if depth < MAX_DEPTH and isinstance(value, (list, tuple, set, frozenset)):
        return [redacted(name, item, depth + 1) for item in value]
    return f"<{_class_name(value)}>"


def _class_name(value: object) -> str:
    kind = type(value)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
