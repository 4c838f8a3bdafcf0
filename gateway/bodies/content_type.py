"""Which language a request's body is written in, as its head declares it."""

from collections.abc import Sequence
from email.message import Message

from starlette.datastructures import Headers

from gateway.errors import UnsupportedMediaTypeError

JSON = "application/json"
YAML = "application/yaml"
OBJECT_TYPES = (JSON, YAML)

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)

LONGEST_MEDIA_TYPE = 2_048
"""Characters, many more than any client sends: the parser's time grows with their square."""


def content_type_of(headers: Headers, supported: Sequence[str], *, default: str = "") -> str:
    """The declared type, which is one of `supported`; `default` where none is declared.

    Raises UnsupportedMediaTypeError: another type, another charset than UTF-8, a compressed
    body, or a header given twice.
    """
    if any(
        coding.strip().lower() != "identity" for coding in headers.getlist("content-encoding")
    ):
        raise UnsupportedMediaTypeError("the request body must not be compressed")
    declared = headers.getlist("content-type") or [default]
    if len(declared) > 1 or len(declared[0]) > LONGEST_MEDIA_TYPE:
        raise _refusal(supported)
    media_type, charset = _parsed(declared[0])
    if media_type not in supported or charset not in {"utf-8", "utf8"}:
        raise _refusal(supported)
    return media_type


def _refusal(supported: Sequence[str]) -> UnsupportedMediaTypeError:
    """In the words of Kubernetes, which clients show to people."""
    return UnsupportedMediaTypeError(
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(supported),
        patches=tuple(supported) if supported == PATCH_TYPES else (),
    )


def _parsed(text: str) -> tuple[str, str]:
    """The media type and the charset, in lower case (RFC 9110 §8.3)."""
    message = Message()
    message["content-type"] = text
    (media_type, _), *parameters = message.get_params(failobj=[("", "")])
    # A value in the form of RFC 2231 is a tuple, whose text is nothing that we know.
    charsets = [str(value).lower() for key, value in parameters if key.lower() == "charset"]
    return media_type.strip().lower(), charsets[0] if charsets else "utf-8"
