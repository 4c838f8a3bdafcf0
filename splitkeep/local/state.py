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
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from splitkeep.certificates import KeyPair
from splitkeep.files import (
    open_file,
    others_rights,
    private_directory,
    read_json,
    write_file,
)
from splitkeep.local.postgres_home import erase_home

MARKER = "splitkeep-state"
MARKER_TEXT = b"The state of a local Splitkeep stack. kek.json is the key to its secrets.\n"
POLL_SECONDS = 1.0
WAIT_POLL_SECONDS = 0.1
LAST_LOOK_SECONDS = 1.0
NEEDED = ("gateway", "vault", "ca", "tokens")  # what the commands read in dev.json
LINE_BREAKS = "\r\n"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
ERASED_FILES = ("kek.json", "passwords.json", "dev.json")
ERASED_DIRECTORIES = ("tls", "issuer", "services", "logs")


class StateError(Exception):
    """The directory cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Wait:
    """How long somebody is waited for who starts or stops, and who is told of it."""

    seconds: float
    tell: Callable[[str], None]


AT_ONCE = Wait(0, lambda _: None)


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

    @property
    def _lock(self) -> Path:
        return self.directory / "lock"

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
    def held(self, *, wait: Wait = AT_ONCE) -> Iterator[None]:
        """Nobody else uses it meanwhile.

        Somebody whose stack does not run (yet, or any more) is waited for, as `wait` says.
        Raises StateError if somebody uses it then.
        """
        with open_file(self._lock, "a+b") as lock:
            self._take(lock, wait)
            lock.truncate(0)
            lock.write(str(os.getpid()).encode())
            lock.flush()
            yield

    def _take(self, lock: BinaryIO, wait: Wait) -> None:
        began = time.monotonic()
        told = False
        while not _locked(lock):
            who = f"process {_content(lock)} on {self.directory}"
            waited = time.monotonic() - began
            # One that was told to end this moment still has its description.
            if self.description.exists() and waited >= min(wait.seconds, LAST_LOOK_SECONDS):
                raise StateError(
                    f"a stack is running: {who}; stop it, or choose another directory with "
                    "--state or SPLITKEEP_STATE_DIR"
                )
            if waited >= wait.seconds:
                raise StateError(
                    f"a stack is starting or stopping: {who}; try again when it has, or choose "
                    "another directory with --state or SPLITKEEP_STATE_DIR"
                )
            if not told and not self.description.exists():
                wait.tell(f"Waiting for {who}, which starts or stops …")
                told = True
            time.sleep(WAIT_POLL_SECONDS)

    def in_use(self) -> bool:
        """Whether somebody holds it now."""
        try:
            with open_file(self._lock) as lock:
                return not _locked(lock, fcntl.LOCK_SH)
        except OSError:
            return False

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
    if any(character in str(directory) for character in LINE_BREAKS):
        raise StateError("the state directory's path has a line break, which Postgres refuses")
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
    """What dev.json says of the stack that runs there; None if none does.

    One that was killed leaves its dev.json behind, but not its lock.
    """
    state = State(state_directory)
    try:
        content = read_json(state.description)
    except (OSError, ValueError):
        return None
    whole = isinstance(content, dict) and all(name in content for name in NEEDED)
    return content if whole and state.in_use() else None


def _locked(lock: BinaryIO, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _content(lock: BinaryIO) -> str:
    lock.seek(0)
    return lock.read(64).decode(errors="replace").strip()


def no_stack(state_directory: Path) -> str:
    """What to tell somebody who asks for the stack where none runs."""
    return f"no stack runs on {state_directory}: start `splitkeep dev`"
