"""Which forms of body are read and answered: JSON in UTF-8, for now."""

from collections.abc import Iterable
from email.message import Message

from gateway.errors import NotAcceptableError, UnsupportedMediaTypeError

LONGEST_MEDIA_TYPES = 2_048
"""Characters, many more than any client sends: the parser's time grows with their square."""

ANSWERED = frozenset({"application/json", "application/*", "*/*"})


def check_content(content_types: list[str], content_encodings: list[str]) -> None:
    """Raises UnsupportedMediaTypeError unless the body is declared as JSON, or not at all."""
    if any(encoding.strip().lower() != "identity" for encoding in content_encodings):
        raise UnsupportedMediaTypeError("the request body must not be compressed")
    if _are_too_long(content_types):
        raise UnsupportedMediaTypeError
    if len(content_types) > 1 or not all(_is_json(text) for text in content_types):
        raise UnsupportedMediaTypeError


def _is_json(content_type: str) -> bool:
    media_type, parameters = _parsed(content_type)
    charset = parameters.get("charset", "utf-8").lower()
    return media_type == "application/json" and charset in {"utf-8", "utf8"}


def check_accept(accepts: Iterable[str]) -> None:
    """Raises NotAcceptableError unless plain JSON is among what the client takes."""
    headers = list(accepts)
    if _are_too_long(headers):
        raise NotAcceptableError
    ranges = [text for accept in headers for text in accept.split(",") if text.strip()]
    if ranges and not any(_takes_json(text) for text in ranges):
        raise NotAcceptableError


def _takes_json(media_range: str) -> bool:
    """A range with `as=` asks for another rendering of the same media type, such as `Table`."""
    media_type, parameters = _parsed(media_range)
    return media_type in ANSWERED and "as" not in parameters and not _is_refused(parameters)


def _is_refused(parameters: dict[str, str]) -> bool:
    return parameters.get("q", "1").rstrip("0") in {"", "0.", "."}


def _are_too_long(headers: list[str]) -> bool:
    return sum(map(len, headers)) > LONGEST_MEDIA_TYPES


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    message = Message()
    message["content-type"] = text
    (media_type, _), *parameters = message.get_params(failobj=[("", "")])
    # A value in the form of RFC 2231 is a tuple, whose text is nothing that we know.
    return media_type.strip().lower(), {key.lower(): str(value) for key, value in parameters}
