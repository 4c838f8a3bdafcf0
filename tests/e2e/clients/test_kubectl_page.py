"""What docs/kubectl.md tells a person to type works as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.clients.kubectl import find_program
from tests.e2e.stack import ROOT, Stack

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECRET = "correct horse"


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs" / "kubectl.md").read_text()
    return [code for found, code in BLOCK.findall(text) if found == language]


@pytest.fixture(scope="module")
def directory(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader types: the stack's files are where the page has them."""
    directory = tmp_path_factory.mktemp("reader")
    (directory / ".splitkeep").symlink_to(stack.directory)
    (directory / "bin").mkdir()
    (directory / "bin" / "kubectl").symlink_to(find_program(os.environ))
    python = directory / "bin" / "python3"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return directory


@pytest.fixture(scope="module")
def typed(stack: Stack, directory: Path) -> str:
    """What the page's commands print, typed one after the other into one shell."""
    environment = {
        "HOME": str(directory),
        "PATH": f"{directory / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SPLITKEEP_STATE_DIR": str(stack.directory),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(blocks("sh"))],
        cwd=directory,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert SECRET not in done.stderr
    return done.stdout


def test_the_shell_blocks_do_what_the_page_says(typed: str) -> None:
    for said in (
        "securevalue.secret.grafana.app/pg-main serverside-applied",
        "Main database, Frankfurt",
        "securevalue.secret.grafana.app/pg-main patched",
        "FIELD: decrypters <[]string>",
        "yes",
        "keeper.secret.grafana.app/aws-main created",
        '"aws-main" deleted',
        '"pg-main" deleted',
    ):
        assert said in typed


def test_the_value_comes_back_in_no_answer(typed: str) -> None:
    assert SECRET not in typed


def test_the_python_block_lists_what_is_there(
    stack: Stack, directory: Path, typed: str
) -> None:
    (code,) = blocks("python")
    created = stack.create("from-python", "a value of no interest", description="for the page")
    assert created.status_code == 201

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
    )

    assert "from-python for the page\n" in done.stdout
