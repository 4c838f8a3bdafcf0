"""Kubeconfigs as `splitkeep kubeconfig` writes them."""

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.stack import ROOT, Stack


def write_kubeconfig(stack: Stack, file: Path, *words: str) -> Path:
    """`splitkeep kubeconfig` has written the file."""
    subprocess.run(
        [sys.executable, "-m", "splitkeep", "kubeconfig", "--output", str(file), *words],
        cwd=ROOT,
        env=os.environ | {"SPLITKEEP_STATE_DIR": str(stack.directory)},
        check=True,
        capture_output=True,
    )
    return file
