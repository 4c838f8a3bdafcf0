"""The canary scan sees what it must: otherwise its silence means nothing."""

import base64

import pytest

from tests.e2e.canary import hits

MARKER = b"cAnArY-0123456789"


@pytest.mark.parametrize("prefix", [b"", b"a", b"ab", b"abc"])
@pytest.mark.parametrize("suffix", [b"", b"z", b"yz"])
def test_base64_is_found_at_every_alignment(prefix: bytes, suffix: bytes) -> None:
    assert hits(MARKER, base64.b64encode(prefix + MARKER + suffix)) != []


@pytest.mark.parametrize(
    "content",
    [MARKER, MARKER.hex().encode(), MARKER.hex().upper().encode()]
    + [MARKER.decode().encode(encoding) for encoding in ("utf-16-le", "utf-16-be")],
)
def test_raw_hex_and_utf_16_are_found(content: bytes) -> None:
    assert hits(MARKER, b"before" + content + b"after") != []


def test_another_marker_is_not_found() -> None:
    assert hits(MARKER, b"cAnArY-9876543210") == []
