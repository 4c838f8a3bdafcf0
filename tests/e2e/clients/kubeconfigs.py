"""Kubeconfigs as `splitkeep kubeconfig` writes them."""

from pathlib import Path

from splitkeep.cli import run
from tests.e2e.stack import Stack


def write_kubeconfig(stack: Stack, file: Path, *words: str) -> Path:
    """The command has written the file; it runs in this process, which is quicker."""
    command = ["kubeconfig", "--state", str(stack.directory), "--output", str(file)]
    assert run([*command, *words]) == 0
    return file
