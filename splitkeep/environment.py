"""Makes the virtual environment of a clone and moves into it; standard library only.

- The environment is made from a hashed lock in requirements/: local.lock to run, dev.lock to
  test and check. One made from dev.lock also serves to run.
- A stamp inside it names the lock, its hash and the interpreter. It is removed before anything
  is changed and written when everything is installed, so that whatever is interrupted half way
  is made again, and so is what an upgrade of the machine's Python left useless.
- One process at a time works on it: the others wait, and then find it ready.
- Where there is no clone (an installed package, a container image) nothing is made: the
  interpreter at hand has what is needed.
"""

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN_LOCK = "local.lock"
CHECK_LOCK = "dev.lock"
HELP = frozenset({"-h", "--help"})
CHECKING_COMMANDS = frozenset({"setup", "test"})

INTERRUPTED = 130  # what shells answer for a program that SIGINT ended

MISSING_VENV = (
    "This Python cannot make virtual environments: it lacks the modules venv and ensurepip.\n"
    "Install the package that has them (Debian and Ubuntu: apt-get install python3-venv), or "
    "put uv on the PATH, and run the command again."
)


class SetupError(Exception):
    """The environment cannot be made; the text says what to do."""

    exit_code = 2


class InterruptedSetupError(SetupError):
    """Somebody pressed Ctrl-C."""

    exit_code = INTERRUPTED


class Action(Enum):
    """What an environment needs before it serves."""

    NOTHING = "nothing"
    ADD = "add"
    REBUILD = "rebuild"


@dataclass(frozen=True)
class Stamp:
    """Which lock an environment was made from, that lock's hash then, and for which Python."""

    lock: str
    sha256: str
    interpreter: str


Hashes = dict[str, str]
Run = Callable[[Sequence[str]], None]


def decide(stamp: "Stamp | None", *, wanted: str, hashes: Hashes) -> Action:
    """What to do with an environment stamped so, to serve what `wanted` serves."""
    if stamp is None or hashes.get(stamp.lock) != stamp.sha256:
        return Action.REBUILD
    if stamp.lock in (wanted, CHECK_LOCK):
        return Action.NOTHING
    return Action.ADD


def lock_to_install(stamp: "Stamp | None", *, wanted: str) -> str:
    """`wanted`, or the larger lock that the environment had before it went stale."""
    return CHECK_LOCK if stamp is not None and stamp.lock == CHECK_LOCK else wanted


@dataclass(frozen=True)
class Clone:
    """A checkout of the repository: its locks and its environment."""

    root: Path

    @property
    def venv(self) -> Path:
        """Where the environment is."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.venv / "bin" / "python"

    @property
    def stamp_file(self) -> Path:
        """What says that the environment is whole."""
        return self.venv / "splitkeep-stamp.json"

    def lock(self, name: str) -> Path:
        """Where a lock is."""
        return self.root / "requirements" / name

    def hashes(self) -> Hashes:
        """Each lock's hash."""
        locks = {name: self.lock(name) for name in (RUN_LOCK, CHECK_LOCK)}
        return {name: sha256(path.read_bytes()).hexdigest() for name, path in locks.items()}

    def read_stamp(self) -> "Stamp | None":
        """The stamp; None unless the environment is whole and its interpreter is there."""
        try:
            content = json.loads(self.stamp_file.read_bytes())
            stamp = Stamp(**content)
        except (OSError, ValueError, TypeError):
            return None
        return stamp if stamp.interpreter == self.interpreter() else None

    def interpreter(self) -> str:
        """The real file of the environment's interpreter; empty if it is gone."""
        return str(self.python.resolve()) if self.python.exists() else ""

    def write_stamp(self, lock: str, sha256: str) -> None:
        """The environment is whole from now on."""
        stamp = Stamp(lock=lock, sha256=sha256, interpreter=self.interpreter())
        draft = self.stamp_file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(stamp)) + "\n")
        draft.replace(self.stamp_file)

    def remove_stamp(self) -> None:
        """The environment counts as broken until it is stamped again."""
        self.stamp_file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Installer:
    """Makes environments with uv where it is on the PATH, else with venv and pip."""

    interpreter: str
    uv: "str | None"
    has_venv: bool
    run: Run

    def create(self, clone: Clone) -> None:
        """An empty environment is at the clone's place; what was there is gone."""
        if self.uv is not None:
            command = [self.uv, "venv", "--quiet", "--clear", "--python", self.interpreter]
            self.run([*command, str(clone.venv)])
            return
        if not self.has_venv:
            raise SetupError(MISSING_VENV)
        self.run([self.interpreter, "-m", "venv", "--clear", str(clone.venv)])

    def install(self, clone: Clone, lock: str) -> None:
        """Everything the lock names is installed, each file checked against its hash."""
        if self.uv is not None:
            pip = [self.uv, "pip", "install", "--quiet", "--python", str(clone.python)]
        else:
            pip = [str(clone.python), "-m", "pip", "install", "--quiet", "--no-input"]
            pip.append("--disable-pip-version-check")
        # The lock is complete: looking for more would only cost time.
        self.run([*pip, "--no-deps", "--require-hashes", "-r", str(clone.lock(lock))])


def has_venv() -> bool:
    """Whether this Python has what making environments without uv takes."""
    return all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))


def prepare(clone: Clone, installer: Installer, wanted: str) -> bool:
    """The environment serves what `wanted` serves; answers whether anything was installed.

    Raises SetupError when a tool that makes it fails or is missing.
    """
    stamp = clone.read_stamp()
    hashes = clone.hashes()
    action = decide(stamp, wanted=wanted, hashes=hashes)
    if action is Action.NOTHING:
        return False
    lock = lock_to_install(stamp, wanted=wanted)
    print(f"Making .venv from requirements/{lock} …", file=sys.stderr, flush=True)
    clone.remove_stamp()
    if action is Action.REBUILD:
        installer.create(clone)
    installer.install(clone, lock)
    clone.write_stamp(lock, hashes[lock])
    return True


def _run(command: Sequence[str]) -> None:
    failed = (
        f"The environment could not be made: {Path(command[0]).name} failed (its message is "
        "above). Run the command again when the cause is gone."
    )
    try:
        # Out of the reach of a Ctrl-C at the terminal, which is ours to answer.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    except OSError as error:
        raise SetupError(failed) from error
    try:
        code = process.wait()
    except KeyboardInterrupt:
        # What is half made is made anew: nothing in it needs an orderly end.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if code != 0:
        raise SetupError(failed)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """One process at a time. The lock is on the directory itself and leaves no file behind."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_clone(root: Path) -> bool:
    """Whether this is a checkout, which has locks, and not an installed package."""
    return (root / "pyproject.toml").is_file() and (root / "requirements" / RUN_LOCK).is_file()


def wanted_lock(arguments: Sequence[str]) -> str:
    """The lock that the command on this command line needs."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    return CHECK_LOCK if command in CHECKING_COMMANDS else RUN_LOCK


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Whether all that is wanted is the help on a command that hands its words on."""
    return list(arguments[:1]) == ["test"] and not HELP.isdisjoint(arguments)


def enter(arguments: Sequence[str], root: Path = ROOT) -> None:
    """The process runs in the environment the command needs, re-executed if it must.

    Raises SetupError.
    """
    if not is_clone(root):
        return
    clone = Clone(root)
    inside = Path(sys.prefix).resolve() == clone.venv.resolve()
    if asks_for_help(arguments):
        _move_where_help_is(clone, arguments, inside=inside)
        return
    # An environment is made by the interpreter outside it, which stays when it is cleared.
    interpreter = _outer_interpreter() if inside else sys.executable
    installer = Installer(interpreter, shutil.which("uv"), has_venv(), _run)
    if _prepare_alone(clone, installer, wanted_lock(arguments)) or not inside:
        _move_into(clone, arguments)


def _prepare_alone(clone: Clone, installer: Installer, wanted: str) -> bool:
    """See prepare."""
    try:
        with alone(clone.root):
            return prepare(clone, installer, wanted)
    except KeyboardInterrupt:
        raise InterruptedSetupError(
            "Interrupted; the next run makes the environment anew."
        ) from None
    except PermissionError as error:
        raise SetupError(
            f"The environment could not be made: no permission to write {error.filename}."
        ) from None


def _move_where_help_is(clone: Clone, arguments: Sequence[str], *, inside: bool) -> None:
    """An environment that is there has more to say; for help none is made."""
    stamp = clone.read_stamp()
    if not inside and stamp is not None and stamp.lock == CHECK_LOCK:
        _move_into(clone, arguments)


def _outer_interpreter() -> str:
    """The interpreter that the running environment was made with."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def _move_into(clone: Clone, arguments: Sequence[str]) -> None:
    """Replaces this process; does not return."""
    path = [str(clone.root), os.environ.get("PYTHONPATH", "")]
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in path if part)}
    command = [str(clone.python), "-m", "splitkeep", *arguments]
    os.execve(command[0], command, surroundings)  # noqa: S606  # a known interpreter, no shell
