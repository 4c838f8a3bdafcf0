"""Which kubectl the clients' tests use, and that none is never taken for a pass."""

from pathlib import Path

import pytest

from tests.e2e.clients.kubectl import CHOICE, find_program


def program(directory: Path, version: str) -> Path:
    """A kubectl of this version on a path of its own."""
    major, minor = version.split(".")
    file = directory / "kubectl"
    answer = f'{{"clientVersion": {{"major": "{major}", "minor": "{minor}"}}}}'
    file.write_text(f"#!/bin/sh\necho '{answer}'\n")
    file.chmod(0o755)
    return file


def test_one_that_is_named_comes_first(tmp_path: Path) -> None:
    locked = program(tmp_path, "1.37")

    assert find_program({CHOICE: "/their/kubectl"}, locked) == "/their/kubectl"


def test_the_locked_one_comes_next(tmp_path: Path) -> None:
    locked = program(tmp_path, "1.37")

    assert find_program({"PATH": ""}, locked) == str(locked)


@pytest.mark.parametrize("version", ["1.30", "1.32", "1.37+"])
def test_one_on_the_path_serves_if_it_is_new_enough(tmp_path: Path, version: str) -> None:
    found = program(tmp_path, version)

    assert find_program({"PATH": str(tmp_path)}, tmp_path / "absent") == str(found)


@pytest.mark.parametrize("version", ["1.20", "1.29", None])
def test_without_one_the_tests_are_skipped_in_a_sentence(
    tmp_path: Path, version: str | None
) -> None:
    if version:
        program(tmp_path, version)

    with pytest.raises(pytest.skip.Exception, match=r"no kubectl 1\.30 or newer"):
        find_program({"PATH": str(tmp_path)}, tmp_path / "absent")


def test_without_one_continuous_integration_fails(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"no kubectl 1\.30 or newer"):
        find_program({"PATH": str(tmp_path), "CI": "true"}, tmp_path / "absent")


def test_they_can_be_left_out_by_a_word(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match=f"{CHOICE}=skip"):
        find_program({CHOICE: "skip", "CI": "true"}, program(tmp_path, "1.37"))
