"""Every example of docs/cli.md does what it says, at a running stack."""

import os
import shlex
from pathlib import Path

import pytest

from splitkeep.local.settings import STATE_VARIABLE
from splitkeep.manage.app import run
from tests.architecture.cli_page import examples
from tests.e2e.stack import Stack

# A person's editor, who changes something.
EDITOR = "#!/bin/sh\nsleep 1.1\nsed -i 's/^  description: .*/  description: edited/' \"$1\"\n"


@pytest.fixture
def at_the_stack(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    editor = tmp_path / "editor"
    editor.write_text(EDITOR)
    editor.chmod(0o700)
    monkeypatch.setenv(STATE_VARIABLE, str(stack.directory))
    monkeypatch.setenv("SPLITKEEP_CONFIG", str(tmp_path / "contexts.json"))
    monkeypatch.setenv("EDITOR", os.fspath(editor))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_every_example_ends_well(
    at_the_stack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = list(examples())

    assert len(typed) > 20
    for line in typed:
        program, *words = shlex.split(line.partition(" > ")[0])
        assert program == "splitkeep"
        assert run(words) == 0, (line, capsys.readouterr().err)
    assert not (at_the_stack / ".config").exists()
