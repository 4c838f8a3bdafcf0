"""Files are whole, private and never overwritten by accident."""

import json
import os
import stat
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest

from splitkeep.files import PUBLIC, open_file, private_directory, read_or_make, write_file
from splitkeep.kek_file import ensure_kek_file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_private_unless_told_otherwise(tmp_path: Path) -> None:
    write_file(tmp_path / "private", b"x")
    write_file(tmp_path / "public", b"x", mode=PUBLIC)

    assert (mode(tmp_path / "private"), mode(tmp_path / "public")) == (0o600, 0o644)


def test_a_file_that_cannot_be_written_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_file(path, b"old")

    with pytest.raises(TypeError):
        write_file(path, "not bytes")  # type: ignore[arg-type]  # fails half way, on purpose

    assert path.read_bytes() == b"old"


def test_what_was_left_half_written_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / ".file.new").write_bytes(b"half")

    write_file(tmp_path / "file", b"whole")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_is_made_once_is_never_made_again(tmp_path: Path) -> None:
    read_or_make(tmp_path / "file", lambda: b"first")

    assert read_or_make(tmp_path / "file", lambda: b"second") == b"first"


def test_the_kek_file_holds_one_active_key_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "kek.json"

    ensure_kek_file(path, os.urandom)

    content = json.loads(path.read_text())
    assert content["active"] == "local-1"
    assert len(b64decode(content["keks"]["local-1"], validate=True)) == 32
    assert mode(path) == 0o600


def test_a_kek_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "kek.json"
    path.write_bytes(b"whatever is here, a restored one for example")

    ensure_kek_file(path, os.urandom)

    assert path.read_bytes() == b"whatever is here, a restored one for example"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_named_and_nobody_waits_for_its_writer(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "file"
    make(path)

    with pytest.raises(OSError, match=r"egular file|directory") as caught:
        read_or_make(path, lambda: b"new")

    assert caught.value.filename == str(path)


def test_a_file_that_cannot_be_written_is_named_and_not_its_draft(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()

    with pytest.raises(IsADirectoryError) as caught:
        write_file(path, b"content")

    assert (caught.value.filename, caught.value.filename2) == (str(path), None)


def test_a_file_in_the_place_of_a_directory_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "tls").write_bytes(b"")

    with pytest.raises(NotADirectoryError, match="tls"):
        private_directory(tmp_path / "tls")


@pytest.mark.timeout(10)
@pytest.mark.parametrize("mode", ["rb", "ab", "a+b"])
def test_a_pipe_is_opened_in_no_mode(tmp_path: Path, mode: str) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="Not a regular file"):
        open_file(tmp_path / "pipe", mode)
