"""Files that are whole or absent, and private from their first byte."""

import errno
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

PRIVATE = 0o600
PUBLIC = 0o644
PRIVATE_DIRECTORY = 0o700


@dataclass(frozen=True, slots=True)
class Owner:
    """The user and group that a file is given to; -1 leaves it to whoever writes it."""

    uid: int = -1
    gid: int = -1


WRITER = Owner()


def write_file(
    path: Path, content: bytes, *, mode: int = PRIVATE, owner: Owner = WRITER
) -> None:
    """The file has this content, mode and owner, also after a loss of power.

    Nobody ever sees a part of it, another mode or another owner; what cannot be written leaves
    the old file as it was. Raises OSError, which names this file.
    """
    try:
        _replace(path, content, mode, owner)
    except OSError as error:
        # Not the draft's hidden name, and not two names.
        raise OSError(error.errno, error.strerror, str(path)) from None
    _settle_entries(path.parent)


def _replace(path: Path, content: bytes, mode: int, owner: Owner) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if owner != WRITER:
                os.fchown(descriptor, owner.uid, owner.gid)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _settle_entries(directory: Path) -> None:
    """The directory's entries are on the disk, which the fsync of a new file does not cover."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: object, *, mode: int = PRIVATE) -> None:
    """See write_file."""
    write_file(path, json_bytes(content), mode=mode)


def json_bytes(content: object) -> bytes:
    """The content as JSON that people can read."""
    return (json.dumps(content, indent=2) + "\n").encode()


def read_file(path: Path) -> bytes:
    """What the file holds. Raises OSError, as `open_file` does."""
    with open_file(path) as file:
        return file.read()


def open_file(path: Path, mode: str = "rb") -> BinaryIO:
    """The file, opened in a binary mode; one that is made now is private.

    Raises OSError, also for what is no regular file: the other end of a pipe might never come.
    """
    return cast("BinaryIO", open(path, mode, opener=_regular))  # Path.open has no opener


def _regular(path: str, flags: int) -> int:
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK, PRIVATE)
    except OSError as error:
        # That of a pipe that is to be written, and of a socket.
        raise (_not_regular(path) if error.errno == errno.ENXIO else error) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor


def _not_regular(path: str) -> OSError:
    return OSError(errno.EINVAL, "Not a regular file", str(path))


def read_json(path: Path) -> Any:
    """What the file holds. Raises OSError, ValueError."""
    return json.loads(read_file(path))


def read_or_make(path: Path, make: Callable[[], bytes], *, mode: int = PRIVATE) -> bytes:
    """The file's content; made on the first call and never overwritten."""
    if not path.exists():
        write_file(path, make(), mode=mode)
    return read_file(path)


def private_directory(path: Path) -> Path:
    """The directory is there. One made now is the user's alone; one found is left as it is.

    Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, "Not a directory", str(path)) from None
    return path


def others_rights(path: Path) -> int:
    """The bits of the mode that give anybody but the owner a right; 0 if none does."""
    return stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
