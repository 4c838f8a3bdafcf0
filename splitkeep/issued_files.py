"""What `production-secrets` has written into a directory, so that it rewrites nothing else.

- The record, issued.json, holds for each file the SHA-256 of what was written last and of what
  was there before: an entry is made before its file is, so that a crash between the two leaves
  a file that is still known.
- A file with any other content, and a symbolic link, is the operator's. It is never written.
- What cannot be had again (a KEK, a password, the key of an authority or of the issuer) is
  written only where there is nothing, and is never replaced.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from splitkeep.files import PRIVATE, PUBLIC, Owner, read_json, write_file, write_json

RECORD = "issued.json"


class RecordError(Exception):
    """The record cannot be read; the text says what to do."""


class NotAFileError(Exception):
    """Something else is where a file is to be read or made; the text names it."""


@dataclass(slots=True, kw_only=True)
class IssuedFiles:
    """See the module. `owner_of` says whose a file is that is written now."""

    directory: Path
    owner_of: Callable[[Path], Owner]
    names: tuple[str, ...] = ()
    _hashes: dict[str, list[str]] = field(default_factory=dict)
    _left: list[str] = field(default_factory=list, init=False)

    def load(self) -> bool:
        """What was recorded is known; answers whether there is a record. Raises RecordError."""
        try:
            content = read_json(self._record)
            self.names = tuple(map(str, content["names"]))
            self._hashes = dict(_entries(content["files"]))
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RecordError(
                f"{self._record} is damaged: restore it. Without it, what is in "
                f"{self.directory} is taken for yours and left as it is"
            ) from None
        return True

    def save(self) -> None:
        """The record is on the disk. Raises OSError."""
        content = {"names": list(self.names), "files": dict(sorted(self._hashes.items()))}
        write_json(self._record, content, mode=PRIVATE)

    @property
    def left(self) -> Sequence[str]:
        """A sentence for each thing that was not written."""
        return self._left

    def leave(self, sentence: str) -> None:
        """The sentence is told at the end, once."""
        if sentence not in self._left:
            self._left.append(sentence)

    def adopt(self, path: Path) -> None:
        """The file as it is counts as written by this command."""
        self._hashes[self._key(path)] = [_hash(path.read_bytes())]

    def was_written(self, path: Path) -> bool:
        """Whether this command once wrote the file, whatever has become of it."""
        return self._key(path) in self._hashes

    def may_write(self, path: Path) -> bool:
        """Whether there is nothing, or what this command wrote."""
        if path.is_symlink():
            return False
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return True
        return _hash(content) in self._hashes.get(self._key(path), ())

    def write(self, path: Path, content: bytes, mode: int = PUBLIC) -> None:
        """The file holds this, and is recorded. Call it only where `may_write` says yes.

        What is there already gets its mode and owner again.
        """
        if path.exists() and path.read_bytes() == content:
            self._settle(path, mode)
            return
        known = self._hashes.get(self._key(path), [])
        self._hashes[self._key(path)] = [_hash(content), *known[:1]]
        self.save()
        write_file(path, content, mode=mode, owner=self.owner_of(path))

    def write_or_leave(self, path: Path, content: bytes, mode: int = PUBLIC) -> None:
        """The file holds this, or is the operator's and is named at the end."""
        if self.may_write(path):
            self.write(path, content, mode)
        else:
            self.leave(f"{self._key(path)} is not as this command wrote it")

    def make_once(self, path: Path, make: Callable[[], bytes], mode: int = PRIVATE) -> bytes:
        """The file's content, made now if there is nothing and never written again.

        Raises NotAFileError for a link that leads nowhere: it is the operator's.
        """
        if path.is_symlink() and not path.exists():
            raise NotAFileError(
                f"{path} is a link to nothing: put back what it leads to, or remove it, and "
                "run this again"
            )
        if not path.exists():
            # Recorded afterwards: what is recorded and absent counts as lost.
            write_file(path, make(), mode=mode, owner=self.owner_of(path))
        if not self.was_written(path):
            self.adopt(path)
            self.save()
        return path.read_bytes()

    def _settle(self, path: Path, mode: int) -> None:
        found, owner = path.stat(), self.owner_of(path)
        if (found.st_uid, found.st_gid) != (owner.uid, owner.gid):
            os.chown(path, owner.uid, owner.gid)
        if stat.S_IMODE(found.st_mode) != mode:
            path.chmod(mode)

    @property
    def _record(self) -> Path:
        return self.directory / RECORD

    def _key(self, path: Path) -> str:
        return str(path.relative_to(self.directory))


def _hash(content: bytes) -> str:
    return sha256(content).hexdigest()


def _entries(files: Any) -> Iterator[tuple[str, list[str]]]:
    """Raises TypeError, AttributeError."""
    for name, hashes in files.items():
        yield str(name), [str(known) for known in list(hashes)]
