"""What a client says it takes: media ranges and content codings (RFC 9110 §12.5)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.errors import NotAcceptableError

_QUALITY = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")

LONGEST_HEADER = 2_048  # characters, many more than any client sends


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One range and its parameters, `q` included; names in lower case."""

    media_type: str
    parameters: dict[str, str]

    @property
    def is_refused(self) -> bool:
        """Whether the client says that it does not take this."""
        return _is_zero(self.parameters.get("q", "1"))

    @property
    def quality(self) -> float:
        """How much the client wants it, 0 to 1 (RFC 9110 §12.4.2); 1 where it does not say."""
        text = self.parameters.get("q", "1")
        return float(text) if _QUALITY.fullmatch(text) else 1.0

    def covers(self, media_type: str) -> bool:
        """Whether it names the type, or a part of it and a star."""
        main, _, _ = media_type.partition("/")
        return self.media_type in {media_type, f"{main}/*", "*/*"}


def media_ranges(accepts: list[str]) -> tuple[MediaRange, ...]:
    """The ranges in the order given; without any, everything is taken.

    Raises NotAcceptableError: the headers are longer than any client sends.
    """
    text = ",".join(accepts)
    if len(text) > LONGEST_HEADER:
        raise NotAcceptableError
    ranges = tuple(_range_of(part) for part in text.split(",") if part.strip())
    return ranges or (MediaRange("*/*", {}),)


def accepts_gzip(accept_encodings: list[str]) -> bool:
    """Whether an answer may be compressed; a header that is too long says no."""
    text = ",".join(accept_encodings)
    if len(text) > LONGEST_HEADER:
        return False
    codings = (_range_of(part) for part in text.split(","))
    return any(coding.media_type == "gzip" and not coding.is_refused for coding in codings)


def _range_of(text: str) -> MediaRange:
    media_type, *parameters = text.split(";")
    return MediaRange(media_type.strip().lower(), dict(_pairs(parameters)))


def _pairs(parameters: Iterable[str]) -> Iterable[tuple[str, str]]:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        yield name.strip().lower(), value.strip().strip('"')


def _is_zero(quality: str) -> bool:
    return quality.rstrip("0") in {"", "0.", "."}
