"""The state directory of a local stack: what is where in it, and who may use it.

It is private, says of itself that it is one (so that `--reset` erases nothing else), and serves
one stack at a time: the lock is the kernel's and ends with the process that holds it, however
that ends.
"""

import asyncio
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitkeep.certificates import KeyPair
from splitkeep.files import others_rights, private_directory, read_json, write_file
from splitkeep.local.postgres_home import erase_home

MARKER = "splitkeep-state"
MARKER_TEXT = b"The state of a local Splitkeep stack. kek.json is the key to its secrets.\n"
POLL_SECONDS = 1.0
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
ERASED_FILES = ("kek.json", "passwords.json", "dev.json")
ERASED_DIRECTORIES = ("tls", "issuer", "services", "logs")


class StateError(Exception):
    """The directory cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class State:
    """See the module."""

    directory: Path

    @property
    def description(self) -> Path:
        """dev.json: the running stack, for scripts."""
        return self.directory / "dev.json"

    @property
    def kek_file(self) -> Path:
        """The key-encryption keys."""
        return self.directory / "kek.json"

    @property
    def passwords(self) -> Path:
        """The databases' passwords."""
        return self.directory / "passwords.json"

    @property
    def issuer_key(self) -> Path:
        """The development issuer's private key."""
        return self.issuer_directory / "key.pem"

    @property
    def issuer_directory(self) -> Path:
        """The issuer's key and what it publishes."""
        return self.directory / "issuer"

    @property
    def authority(self) -> KeyPair:
        """Signs what clients see."""
        return self.key_pair("ca")

    @property
    def peer_authority(self) -> KeyPair:
        """Signs what the services show one another."""
        return self.key_pair("peer-ca")

    def key_pair(self, name: str) -> KeyPair:
        """A certificate and its key."""
        tls = self.directory / "tls"
        return KeyPair(tls / f"{name}.pem", tls / f"{name}.key")

    def service_file(self, name: str) -> Path:
        """A file that one service is given, or writes when it is ready."""
        return self.directory / "services" / name

    def log(self, name: str) -> Path:
        """Where a program's output goes."""
        return self.directory / "logs" / f"{name}.log"

    def make_directories(self) -> None:
        """Everything has its place."""
        for name in ERASED_DIRECTORIES:
            private_directory(self.directory / name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else uses it meanwhile. Raises StateError if somebody does."""
        with (self.directory / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StateError(
                    f"a stack is running on {self.directory} (process {lock.read().strip()}); "
                    "stop it, or choose another directory with SPLITKEEP_STATE_DIR"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    async def gone(self) -> None:
        """Somebody has deleted the directory, or what makes it one, since the call."""
        opened = self._marker_file()
        # What is deleted tells nobody, hence the polling.
        while opened is not None and self._marker_file() == opened:  # noqa: ASYNC110  # see above
            await asyncio.sleep(POLL_SECONDS)

    def _marker_file(self) -> tuple[int, int] | None:
        """Which file the marker is: one made later is another."""
        try:
            found = (self.directory / MARKER).stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def erase(self) -> None:
        """Keys, secrets, databases and logs are gone for good; call it while holding it."""
        erase_home(self.directory)
        for name in ERASED_FILES:
            (self.directory / name).unlink(missing_ok=True)
        for name in ERASED_DIRECTORIES:
            shutil.rmtree(self.directory / name, ignore_errors=True)


def open_state(directory: Path) -> State:
    """The state in this directory, which is made if need be. Raises StateError, OSError."""
    directory = directory.resolve()
    if directory.exists() and not directory.is_dir():
        raise StateError(
            f"{directory} is a file: name a directory with --state or SPLITKEEP_STATE_DIR"
        )
    private_directory(directory)
    if others_rights(directory) & OTHERS_WRITE:
        raise StateError(f"{directory} can be written by other users: `chmod 700 {directory}`")
    if not (directory / MARKER).exists():
        if any(directory.iterdir()):
            raise StateError(f"{directory} is not empty and holds no stack's state")
        write_file(directory / MARKER, MARKER_TEXT)
    return State(directory)


def read_description(state_directory: Path) -> dict[str, Any] | None:
    """What dev.json says of the stack that runs there; None if none does."""
    try:
        content = read_json(State(state_directory).description)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def no_stack(state_directory: Path) -> str:
    """What to tell somebody who asks for the stack where none runs."""
    return f"no stack runs on {state_directory}: start `splitkeep dev`"
