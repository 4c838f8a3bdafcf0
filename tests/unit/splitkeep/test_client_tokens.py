"""Tokens are fresh, fit for a header, and never shown."""

import os
from pathlib import Path

import pytest

from chassis.errors import UnauthenticatedError
from chassis.sensitive import Sensitive
from splitkeep.client_tokens import TokenFile, TokenSource, checked_token


async def asynchronous() -> str:
    return "from-afar"


@pytest.mark.parametrize(
    ("source", "token"),
    [
        pytest.param(lambda: "text", "text", id="text"),
        pytest.param(lambda: Sensitive("hidden"), "hidden", id="sensitive"),
        pytest.param(asynchronous, "from-afar", id="async"),
    ],
)
async def test_a_token_comes_from_any_callable(source: TokenSource, token: str) -> None:
    assert (await checked_token(source)).reveal() == token


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ümlaut", "nul\0"])
async def test_what_does_not_fit_a_header_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        await checked_token(lambda: token)

    assert not token or token not in str(caught.value)


def test_a_token_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    source = TokenFile(path)
    assert source().reveal() == "first"

    replacement = tmp_path / "replacement"
    replacement.write_text("other\n")
    os.utime(replacement, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    replacement.replace(path)

    assert source().reveal() == "other"


def test_a_token_file_that_is_gone_is_an_authentication_error(tmp_path: Path) -> None:
    source = TokenFile(tmp_path / "token")

    with pytest.raises(UnauthenticatedError, match="token"):
        source()
