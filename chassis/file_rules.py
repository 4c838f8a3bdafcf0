"""Who may read and who may change a file that holds a secret, or that decides what is trusted.

- It belongs to root or to the user of this process. What a symbolic link leads to counts, so a
  mount that swaps its files by a link (Kubernetes' `..data`) is judged by what is in it.
- A secret: other users have no right, the group may read (a mount that belongs to root gives a
  process its files by their group).
- What decides trust: other users do not write it, nor does the group, unless it is this
  process's own.
- A key: a secret that its group may read only if it belongs to root.
- No directory above lets every user replace what is in it; a sticky one (/tmp) does not.
- What is read comes from the descriptor that was checked, so that nothing is put in its place
  between the check and the reading. It is a regular file: one would wait for a pipe's writer.
"""

import errno
import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path

_EVERYBODY_WRITES = stat.S_IWOTH
_NOT_OWNERS = stat.S_IRWXG | stat.S_IRWXO
_ROOT = 0


class Holds(Enum):
    """What a file is for."""

    SECRET = "secret"  # noqa: S105  # no secret
    KEY = "key"
    TRUST = "trust"


# Metadata of a configuration's field that is the path of such a file (chassis/config.py).
SECRET: Mapping[str, Holds] = {"holds": Holds.SECRET}
TRUST: Mapping[str, Holds] = {"holds": Holds.TRUST}


class FileRuleError(Exception):
    """A rule is broken; the text goes on after the path and says what to run."""


def check_file(path: Path, holds: Holds) -> None:
    """Returns if the file keeps the rules. Raises FileRuleError; OSError if it is no file."""
    _require(path, path.stat(), holds)


def read_file(path: Path, holds: Holds, *, maximum_bytes: int) -> bytes:
    """What is in the file, which keeps the rules.

    Raises FileRuleError, also if it is longer; OSError if it cannot be read.
    """
    with open(path, "rb", opener=_at_once) as file:  # Path.open has no opener
        _require(path, os.fstat(file.fileno()), holds)
        content = file.read(maximum_bytes + 1)
    if len(content) > maximum_bytes:
        raise FileRuleError(f"is longer than {maximum_bytes} bytes")
    return content


def _at_once(path: str, flags: int) -> int:
    """An open() that does not wait for the writer of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _require(path: Path, status: os.stat_result, holds: Holds) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    problem = next(_problems(path, status, holds), None)
    if problem is not None:
        raise FileRuleError(problem)


def _problems(path: Path, status: os.stat_result, holds: Holds) -> Iterator[str]:
    shown, mode = shlex.quote(str(path)), stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        yield "is not a regular file"
    if status.st_uid not in (_ROOT, os.geteuid()):
        yield (
            f"belongs to user {status.st_uid}, not to root or to user {os.geteuid()}, who runs "
            f"this: run `chown {os.geteuid()} {shown}`"
        )
    if holds is Holds.KEY and status.st_uid == os.geteuid() and mode & _NOT_OWNERS:
        yield f"must be readable by its owner alone (mode 0600): run `chmod 0600 {shown}`"
    if holds is Holds.TRUST:
        yield from _problems_of_trust(mode, status.st_gid, shown)
    else:
        yield from _problems_of_secret(mode, shown)
    yield from _problems_of_directories(path)


def _problems_of_secret(mode: int, shown: str) -> Iterator[str]:
    advice = f"it needs mode 0600, run `chmod 0600 {shown}`"
    if mode & stat.S_IRWXO:
        yield f"is open to other users (it has mode {mode:04o}): {advice}"
    if mode & stat.S_IWGRP:
        yield f"may be written by its group (it has mode {mode:04o}): {advice}"


def _problems_of_trust(mode: int, group: int, shown: str) -> Iterator[str]:
    if mode & stat.S_IWOTH:
        yield f"may be written by other users (mode {mode:04o}): run `chmod o-w {shown}`"
    if mode & stat.S_IWGRP and group != os.getegid():
        yield f"may be written by its group (mode {mode:04o}): run `chmod g-w {shown}`"


def _problems_of_directories(path: Path) -> Iterator[str]:
    """Above the file, and above a link to it."""
    for directory in {*path.absolute().parents, *path.resolve().parents}:
        mode = stat.S_IMODE(directory.stat().st_mode)
        if mode & _EVERYBODY_WRITES and not mode & stat.S_ISVTX:
            shown = shlex.quote(str(directory))
            yield (
                f"is below {directory}, where every user may replace it (mode {mode:04o}): "
                f"run `chmod o-w {shown}`"
            )
