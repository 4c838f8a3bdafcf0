"""Files that are whole or absent, and private from their first byte."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    the old file as it was.
    """
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
    _settle_entries(path.parent)


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


def read_json(path: Path) -> Any:
    """What the file holds. Raises OSError, ValueError."""
    return json.loads(path.read_bytes())


def read_or_make(path: Path, make: Callable[[], bytes], *, mode: int = PRIVATE) -> bytes:
    """The file's content; made on the first call and never overwritten."""
    if not path.exists():
        write_file(path, make(), mode=mode)
    return path.read_bytes()


def private_directory(path: Path) -> Path:
    """The directory is there. One made now is the user's alone; one found is left as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    return path


def others_rights(path: Path) -> int:
    """The bits of the mode that give anybody but the owner a right; 0 if none does."""
    return stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
