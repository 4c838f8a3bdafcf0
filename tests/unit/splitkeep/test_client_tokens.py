"""Tokens are fresh, fit for a header, and never shown."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chassis.errors import UnauthenticatedError
from chassis.sensitive import Sensitive
from splitkeep.client_tokens import TokenFile, TokenSource, checked_token
from tests.unit.chassis import tokens


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


@pytest.mark.parametrize("blanks", ["{}\n", " {}\r\n\n"])
async def test_blanks_around_a_callables_token_are_no_part_of_it(blanks: str) -> None:
    assert (await checked_token(lambda: blanks.format("token"))).reveal() == "token"


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


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _blank(path: Path) -> None:
    path.write_bytes(b" \r\n\t\n")


def _a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _not_text(path: Path) -> None:
    path.write_bytes(b"\xff\x00\x80")


def _two_words(path: Path) -> None:
    path.write_bytes(b"two words")


@pytest.mark.parametrize(
    "break_",
    [_emptied, _blank, Path.unlink, _a_directory, _a_dangling_link, _not_text, _two_words],
)
def test_the_last_token_stays_in_use_while_the_file_has_none(
    tmp_path: Path, break_: Callable[[Path], None]
) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    source = TokenFile(path)
    assert source().reveal() == "first"

    break_(path)
    assert source().reveal() == "first"

    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_text("second")
    assert source().reveal() == "second"


@pytest.mark.parametrize("break_", [_emptied, Path.unlink, _a_directory])
def test_a_last_token_that_has_expired_is_not_used_without_a_word(
    tmp_path: Path, break_: Callable[[Path], None]
) -> None:
    path = tmp_path / "token"
    expired = tokens.signed(tokens.generate("ES256"), tokens.claims(exp=int(time.time()) - 1))
    path.write_text(expired)
    source = TokenFile(path)
    assert source().reveal() == expired  # the service says that it has expired

    break_(path)

    with pytest.raises(
        UnauthenticatedError, match="the last token in it has expired"
    ) as caught:
        source()
    assert expired not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"two words", b"\xff\xfe\x00"])
def test_a_first_token_that_is_none_is_an_authentication_error(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)

    with pytest.raises(UnauthenticatedError, match="holds no token"):
        TokenFile(path)()


@pytest.mark.timeout(10)
def test_nobody_waits_for_the_writer_of_a_token_file_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")

    with pytest.raises(UnauthenticatedError, match=r"cannot be read .*regular file"):
        TokenFile(tmp_path / "token")()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"the-token", id="bare"),
        pytest.param(b"the-token\n", id="a line"),
        pytest.param(b"  the-token\r\n\r\n", id="blanks around it"),
        pytest.param("the-token\n".encode("utf-8-sig"), id="UTF-8 with a mark"),
        pytest.param("the-token\r\n".encode("utf-16"), id="UTF-16, as PowerShell writes"),
    ],
)
def test_a_token_is_read_as_shells_and_editors_write_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)

    assert TokenFile(path)().reveal() == "the-token"


def test_a_link_that_points_elsewhere_gives_the_other_token(tmp_path: Path) -> None:
    for name in ("first", "other"):
        (tmp_path / name).write_text(f"{name}-token")
    path, swapped = tmp_path / "token", tmp_path / "swapped"
    path.symlink_to("first")
    source = TokenFile(path)
    assert source().reveal() == "first-token"

    swapped.symlink_to("other")
    swapped.replace(path)

    assert source().reveal() == "other-token"


def test_a_token_of_the_same_size_written_in_the_same_moment_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    source, at = TokenFile(path), path.stat()
    assert source().reveal() == "first"

    path.write_text("other")
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))

    assert source().reveal() == "other"


def test_a_refused_token_is_replaced_by_what_the_file_has_now_or_had_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "token"
    path.write_text("whole-token")
    source = TokenFile(path)
    whole = source()
    assert source.replacement(whole) is None

    path.write_text("whole-to")
    part = source()
    before = source.replacement(part)
    path.write_text("another-token")
    after = source.replacement(part)

    assert before is not None
    assert after is not None
    assert (before.reveal(), after.reveal()) == ("whole-token", "another-token")
