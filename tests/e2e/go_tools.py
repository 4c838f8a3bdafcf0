"""Programs that Go's own installer makes, kept outside the repository for the next run."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL_SECONDS = 600
CHOICE = "SPLITKEEP_TEST_GO_TOOLS"  # a folder of a subfolder for each version, or `skip`


def go_tool(module: str, version: str) -> str:
    """The program of this module, installed if need be. Skips the test if that cannot be."""
    chosen = os.environ.get(CHOICE)
    if chosen == "skip":
        pytest.skip(f"{CHOICE}=skip")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = module.rpartition("/")[2]
    folder = Path(chosen or cache / "splitkeep-go-tools").resolve() / f"{name}-{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if not (folder / name).exists():
            _install(f"{module}@{version}", folder)
    return str(folder / name)


def _install(wanted: str, folder: Path) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip(f"no Go to install {wanted} with")
    environment = {**os.environ, "GOBIN": str(folder), "GOFLAGS": ""}
    try:
        subprocess.run(
            [go, "install", wanted],
            env=environment,
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"go install {wanted} does not work here ({type(error).__name__})")
