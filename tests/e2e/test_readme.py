"""What the README tells a person to type works as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT, Stack

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text()
    return [code for found, code in BLOCK.findall(text) if found == language]


def at_the_stack(stack: Stack, code: str) -> str:
    """The same words, with this stack's addresses and places in the default ones' stead."""
    places = {
        "https://localhost:8080": stack.info["gateway"],
        "localhost:9402": stack.info["vault"],
        ".splitkeep/": f"{stack.directory}/",
        "python3 -m splitkeep": f"{sys.executable} -m splitkeep",
        "pg-main": "readme-pg-main",
    }
    for written, meant in places.items():
        code = code.replace(written, meant)
    return code


def shell(stack: Stack, code: str, directory: Path) -> str:
    environment = os.environ | {
        "SPLITKEEP_STATE_DIR": str(stack.directory),
        "PYTHONPATH": str(ROOT),
    }
    command = ["bash", "-euo", "pipefail", "-c", at_the_stack(stack, code)]
    return subprocess.run(
        command, cwd=directory, env=environment, check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def written(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's blocks that need a running stack were typed, in their order."""
    directory = tmp_path_factory.mktemp("reader")
    typed = [
        code for code in blocks("sh") if not re.search(r"splitkeep (dev|test)$", code.strip())
    ]
    (directory / "output").write_text("".join(shell(stack, code, directory) for code in typed))
    return directory


def test_the_shell_blocks_create_and_decrypt(written: Path) -> None:
    output = (written / "output").read_text()

    assert '"kind":"SecureValue"' in output.replace(" ", "")
    assert "correct horse" in output


def test_the_python_block_is_a_program_that_reads_the_value(
    stack: Stack, written: Path
) -> None:
    (code,) = blocks("python")
    (written / "read.py").write_text(at_the_stack(stack, code))

    done = subprocess.run(
        [sys.executable, "read.py"],
        cwd=written,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stdout == "correct horse\n"


def test_every_command_that_starts_something_is_one_that_other_tests_start() -> None:
    started = re.findall(
        r"^python3 -m splitkeep (dev|test)$", "\n".join(blocks("sh")), re.MULTILINE
    )

    assert started == ["dev", "test"]
