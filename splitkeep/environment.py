"""Makes the virtual environment of a clone and moves into it; standard library only.

- The environment is made from a hashed lock in requirements/: local.lock to run, dev.lock to
  test and check. One made from dev.lock also serves to run.
- .venv is a link to an environment in .venvs/. A new one is made beside the old one and takes
  its place in one step when everything is installed: whatever fails or is interrupted, the old
  one stays as it was.
- A stamp inside an environment names the lock, its hash and the interpreter, so that what a
  changed lock or an upgrade of the machine's Python left useless is made again.
- One process at a time works on it: the others wait, and then find it ready.
- Where there is no clone (an installed package, a container image) nothing is made: the
  interpreter at hand has what is needed.
"""

import fcntl
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
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
    """Somebody pressed Ctrl-C, or ended it by a signal."""

    exit_code = INTERRUPTED


@dataclass(frozen=True)
class Stamp:
    """Which lock an environment was made from, that lock's hash then, and for which Python."""

    lock: str
    sha256: str
    interpreter: str


Hashes = dict[str, str]
Run = Callable[[Sequence[str]], None]


def serves(stamp: "Stamp | None", *, wanted: str, hashes: Hashes) -> bool:
    """Whether an environment stamped so does what one made from `wanted` does."""
    if stamp is None or hashes.get(stamp.lock) != stamp.sha256:
        return False
    return stamp.lock in (wanted, CHECK_LOCK)


def lock_to_install(stamp: "Stamp | None", *, wanted: str) -> str:
    """`wanted`, or the larger lock that the environment had before it went stale."""
    return CHECK_LOCK if stamp is not None and stamp.lock == CHECK_LOCK else wanted


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the stamp that says what it was made from."""

    directory: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.directory / "bin" / "python"

    @property
    def stamp_file(self) -> Path:
        """What says that it is whole."""
        return self.directory / "splitkeep-stamp.json"

    def read_stamp(self) -> "Stamp | None":
        """The stamp; None unless the environment is whole and its interpreter is there."""
        try:
            content = json.loads(self.stamp_file.read_bytes())
            stamp = Stamp(**content)
        except (OSError, ValueError, TypeError):
            return None
        return stamp if stamp.interpreter == self._interpreter() else None

    def write_stamp(self, lock: str, sha256: str) -> None:
        """The environment is whole from now on."""
        stamp = Stamp(lock=lock, sha256=sha256, interpreter=self._interpreter())
        draft = self.stamp_file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(stamp)) + "\n")
        draft.replace(self.stamp_file)

    def _interpreter(self) -> str:
        """The real file of the interpreter; empty if it is gone."""
        return str(self.python.resolve()) if self.python.exists() else ""


@dataclass(frozen=True)
class Clone:
    """A checkout of the repository: its locks and its environments."""

    root: Path

    @property
    def current(self) -> Environment:
        """The one in use."""
        return Environment(self.root / ".venv")

    @property
    def builds(self) -> Path:
        """Where environments are made and stay."""
        return self.root / ".venvs"

    @property
    def replaced(self) -> Path:
        """Where a .venv that is no link is while one takes its place."""
        return self.builds / "replaced"

    def lock(self, name: str) -> Path:
        """Where a lock is."""
        return self.root / "requirements" / name

    def hashes(self) -> Hashes:
        """Each lock's hash."""
        locks = {name: self.lock(name) for name in (RUN_LOCK, CHECK_LOCK)}
        return {name: sha256(path.read_bytes()).hexdigest() for name, path in locks.items()}

    def new_environment(self) -> Environment:
        """A place for one. What earlier runs left half made is gone."""
        self.builds.mkdir(exist_ok=True)
        if self.replaced.exists() and not self.current.directory.exists():
            self.replaced.rename(self.current.directory)
        self._erase_all_but(self.current.directory.resolve())
        return Environment(self.builds / secrets.token_hex(4))

    def use(self, environment: Environment) -> None:
        """It is the current one, and the only one."""
        link = self.builds / "link"
        link.symlink_to(environment.directory.relative_to(self.root))
        current = self.current.directory
        if current.exists() and not current.is_symlink():
            current.rename(self.replaced)
        link.replace(current)
        self._erase_all_but(environment.directory.resolve())

    def _erase_all_but(self, kept: Path) -> None:
        for left in self.builds.iterdir():
            if left.is_symlink():
                left.unlink()
            elif left.resolve() != kept:
                shutil.rmtree(left, ignore_errors=True)


@dataclass(frozen=True)
class Installer:
    """Makes environments with uv where it is on the PATH, else with venv and pip."""

    interpreter: str
    uv: "str | None"
    has_venv: bool
    run: Run

    def create(self, environment: Environment) -> None:
        """An empty environment is at its place, where nothing was."""
        place = ["--prompt", "splitkeep", str(environment.directory)]
        if self.uv is not None:
            self.run([self.uv, "venv", "--quiet", "--python", self.interpreter, *place])
            return
        if not self.has_venv:
            raise SetupError(MISSING_VENV)
        self.run([self.interpreter, "-m", "venv", *place])

    def install(self, environment: Environment, lock: Path) -> None:
        """Everything the lock names is installed, each file checked against its hash."""
        if self.uv is not None:
            pip = [self.uv, "pip", "install", "--quiet", "--python", str(environment.python)]
        else:
            pip = [str(environment.python), "-m", "pip", "install", "--quiet", "--no-input"]
            pip.append("--disable-pip-version-check")
        # The lock is complete: looking for more would only cost time.
        self.run([*pip, "--no-deps", "--require-hashes", "-r", str(lock)])


def has_venv() -> bool:
    """Whether this Python has what making environments without uv takes."""
    return all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))


def prepare(clone: Clone, installer: Installer, wanted: str) -> bool:
    """The environment serves what `wanted` serves; answers whether a new one was made.

    The old one stays until then. Raises SetupError when a tool that makes it fails or is
    missing, OSError.
    """
    stamp = clone.current.read_stamp()
    hashes = clone.hashes()
    if serves(stamp, wanted=wanted, hashes=hashes):
        return False
    lock = lock_to_install(stamp, wanted=wanted)
    print(f"Making .venv from requirements/{lock} …", file=sys.stderr, flush=True)
    made = clone.new_environment()
    try:
        installer.create(made)
        installer.install(made, clone.lock(lock))
        made.write_stamp(lock, hashes[lock])
        clone.use(made)
    except BaseException:
        if clone.current.directory.resolve() != made.directory.resolve():
            shutil.rmtree(made.directory, ignore_errors=True)
        raise
    return True


def _run(command: Sequence[str]) -> None:
    failed = (
        f"The environment could not be made: {Path(command[0]).name} failed (its message is "
        "above), and nothing was changed. Run the command again when the cause is gone."
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
    inside = Path(sys.prefix).resolve() == clone.current.directory.resolve()
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
        with alone(clone.root), _interruptible():
            return prepare(clone, installer, wanted)
    except KeyboardInterrupt:
        raise InterruptedSetupError(
            "Interrupted, and nothing was changed; the next run makes the environment."
        ) from None
    except OSError as error:
        reason = f"{error.filename or clone.root}: {error.strerror or type(error).__name__}"
        raise SetupError(
            f"The environment could not be made ({reason}), and nothing was changed."
        ) from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP end it as SIGINT does: no program that makes it stays behind."""
    ends = (signal.SIGTERM, signal.SIGHUP)
    heeded = [number for number in ends if signal.getsignal(number) == signal.SIG_DFL]
    for number in heeded:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)


def _move_where_help_is(clone: Clone, arguments: Sequence[str], *, inside: bool) -> None:
    """An environment that is there has more to say; for help none is made."""
    stamp = clone.current.read_stamp()
    if not inside and stamp is not None and stamp.lock == CHECK_LOCK:
        _move_into(clone, arguments)


def _outer_interpreter() -> str:
    """The interpreter that the running environment was made with."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def _move_into(clone: Clone, arguments: Sequence[str]) -> None:
    """Replaces this process; does not return."""
    path = [str(clone.root), os.environ.get("PYTHONPATH", "")]
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in path if part)}
    command = [str(clone.current.python), "-m", "splitkeep", *arguments]
    os.execve(command[0], command, surroundings)  # noqa: S606  # a known interpreter, no shell
