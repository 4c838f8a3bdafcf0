"""Who may read and who may change a file that holds a secret, or that decides what is trusted.

- It belongs to root or to the user of this process. What a symbolic link leads to counts, so a
  mount that swaps its files by a link (Kubernetes' `..data`) is judged by what is in it.
- A secret: other users have no right, the group may read (a mount that belongs to root gives a
  process its files by their group).
- What decides trust: other users do not write it, nor does the group, unless it is this
  process's own.
- No directory above lets every user replace what is in it; a sticky one (/tmp) does not.
"""

import os
import shlex
import stat
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path

_EVERYBODY_WRITES = stat.S_IWOTH
_ROOT = 0


class Holds(Enum):
    """What a file is for."""

    SECRET = "secret"  # noqa: S105  # no secret
    TRUST = "trust"


# Metadata of a configuration's field that is the path of such a file (chassis/config.py).
SECRET: Mapping[str, Holds] = {"holds": Holds.SECRET}
TRUST: Mapping[str, Holds] = {"holds": Holds.TRUST}


class FileRuleError(Exception):
    """A rule is broken; the text goes on after the path and says what to run."""


def check_file(path: Path, holds: Holds) -> None:
    """Returns if the file keeps the rules. Raises FileRuleError; OSError if it is not there."""
    problem = next(_problems(path, holds), None)
    if problem is not None:
        raise FileRuleError(problem)


def _problems(path: Path, holds: Holds) -> Iterator[str]:
    status, shown = path.stat(), shlex.quote(str(path))
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (_ROOT, os.geteuid()):
        yield (
            f"belongs to user {status.st_uid}, not to root or to user {os.geteuid()}, who runs "
            f"this: run `chown {os.geteuid()} {shown}`"
        )
    if holds is Holds.SECRET:
        yield from _problems_of_secret(mode, shown)
    else:
        yield from _problems_of_trust(mode, status.st_gid, shown)
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
