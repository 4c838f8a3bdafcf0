"""The code of one commit in a directory of its own, with an environment that it runs in."""

import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LOCK = "requirements/dev.lock"
SETUP_SECONDS = 600


class UnknownCommitError(Exception):
    """This clone does not hold the commit, for example because it is shallow."""


@dataclass(frozen=True)
class Release:
    """A checkout whose `.venv` has what its own lock names."""

    root: Path

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.root / ".venv" / "bin" / "python"


def current_release() -> Release:
    """The code under test."""
    return Release(ROOT)


def release_of(commit: str, directory: Path) -> Release:
    """The commit's code, checked out into `directory`.

    It shares the environment of the code under test where both have the same lock, and
    otherwise gets one from its own lock. Raises UnknownCommitError.
    """
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        raise UnknownCommitError(archive.stderr.decode(errors="replace").strip())
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(directory, filter="data")
    _make_environment(directory)
    return Release(directory)


def _make_environment(directory: Path) -> None:
    if (directory / LOCK).read_bytes() == (ROOT / LOCK).read_bytes():
        (directory / ".venv").symlink_to((ROOT / ".venv").resolve())
        return
    python = shutil.which("python3")
    assert python is not None
    subprocess.run(
        [python, "-m", "splitkeep", "setup"],
        cwd=directory,
        check=True,
        capture_output=True,
        timeout=SETUP_SECONDS,
    )
