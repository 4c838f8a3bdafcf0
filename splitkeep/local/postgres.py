"""One embedded Postgres server: made, started, watched and stopped.

- Passwords are SCRAM for every connection, local ones too. It listens on the loopback address;
  its socket, where the path is short enough for one, is in a directory of its user alone.
- A server left over from a supervisor that was killed is ended first; whether there is one, the
  process table says, not a pid file, which a loss of power may leave empty or with a number
  that is another process's by now. Data that were not shut down Postgres recovers by itself.
- initdb works beside the place and moves in when it is done, so that half a cluster is never
  taken for one.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from chassis.sensitive import Sensitive
from splitkeep.files import read_file, write_file
from splitkeep.local.child import Child, Program
from splitkeep.local.ports import LOOPBACK
from splitkeep.local.postgres_home import PostgresHome
from splitkeep.local.supervisor import StartError

SUPERUSER = "postgres"
START_SECONDS = 120.0
POLL_SECONDS = 0.02
ORPHAN_SECONDS = 30.0
SOCKET_PATH_BYTES = 90  # sockaddr_un holds 107 bytes, the socket's own name takes up to 17
SPECIAL_IN_A_LIST = frozenset(',"\t\n ')  # of directories, as Postgres reads one
LOG_TAIL_LINES = 8

# What a test loses with the machine it did not need.
FLEETING = ("fsync=off", "full_page_writes=off", "max_connections=300")


class PostgresError(StartError):
    """The server does not run; the text says why, in words of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    """What distinguishes one server from another."""

    name: str
    port: int
    password: Sensitive[str]
    durable: bool = True


def dsn(
    settings: PostgresSettings, *, user: str, password: str, database: str
) -> Sensitive[str]:
    """How to reach a database of this server, which has no TLS."""
    place = f"{LOOPBACK}:{settings.port}"
    account = f"{quote(user)}:{quote(password, safe='')}"
    return Sensitive(f"postgresql://{account}@{place}/{database}?sslmode=disable")


@dataclass(slots=True)
class PostgresServer:
    """See the module."""

    home: PostgresHome
    settings: PostgresSettings
    log: Path
    _child: Child | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """What to call it to a person."""
        return f"the {self.settings.name} database"

    @property
    def pid(self) -> int:
        """The postmaster's process id; 0 before the first start."""
        return self._child.pid if self._child is not None else 0

    @property
    def directory(self) -> Path:
        """The server's own directory, of its user alone."""
        return self.home.directory / self.settings.name

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.directory / "data"

    @property
    def admin_dsn(self) -> Sensitive[str]:
        """The superuser's way in."""
        password = self.settings.password.reveal()
        return dsn(self.settings, user=SUPERUSER, password=password, database="postgres")

    async def start(self) -> None:
        """The server accepts connections. Raises PostgresError."""
        self.home.make_directory(self.directory)
        await self._end_orphan()
        if not self.data.exists():
            await self._make_cluster()
        self._check_version()
        self._child = Child(self._program(self._command(), end_signal=signal.SIGINT))
        await self._child.start()
        await self._wait_until_ready(self._child)

    async def ended(self) -> int:
        """The exit code, once there is one."""
        if self._child is None:
            raise RuntimeError("a server that was never started does not end")
        return await self._child.ended()

    async def stop(self) -> None:
        """It is shut down and its data are consistent without recovery."""
        if self._child is not None:
            await self._child.stop()

    def _program(
        self, command: list[str], *, end_signal: signal.Signals = signal.SIGTERM
    ) -> Program:
        return Program(
            command=command,
            log=self.log,
            environ={"LC_ALL": "C", "PATH": os.defpath},
            directory=self.directory,
            identity=self.home.identity,
            end_signal=end_signal,
            end_seconds=ORPHAN_SECONDS,
        )

    def _command(self) -> list[str]:
        options = [
            f"listen_addresses={LOOPBACK}",
            f"port={self.settings.port}",
            f"unix_socket_directories={self._socket_directory()}",
            f"cluster_name=splitkeep-{self.settings.name}",
            "shared_buffers=64MB",
            *(() if self.settings.durable else FLEETING),
        ]
        flags = [word for option in options for word in ("-c", option)]
        return [self.home.program("postgres"), "-D", str(self.data), *flags]

    def _socket_directory(self) -> str:
        """Empty where Postgres would take the path for another one, or for several."""
        path = str(self.directory)
        short = len(os.fsencode(path)) <= SOCKET_PATH_BYTES
        return path if short and not set(path) & SPECIAL_IN_A_LIST else ""

    async def _make_cluster(self) -> None:
        draft = self.directory / "data.new"
        password_file = self.directory / "password"
        shutil.rmtree(draft, ignore_errors=True)
        write_file(password_file, self.settings.password.reveal().encode())
        self.home.give(password_file)
        try:
            await self._initdb(draft, password_file)
        finally:
            password_file.unlink()
        draft.rename(self.data)

    async def _initdb(self, target: Path, password_file: Path) -> None:
        flags = ["-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={password_file}"]
        flags += ["-E", "UTF8", "--locale=C", "--no-instructions"]
        flags += [] if self.settings.durable else ["--no-sync"]
        command = [self.home.program("initdb"), "-D", str(target), *flags]
        child = Child(self._program(command))
        await child.start()
        if await child.ended() != 0:
            raise PostgresError(f"{self.name} could not be made: {self._last_words()}")

    def _check_version(self) -> None:
        try:
            found = read_file(self.data / "PG_VERSION").decode(errors="replace").strip()
        except OSError as error:
            raise PostgresError(
                f"{self.name} in {self.data} is damaged (PG_VERSION: {error.strerror}): "
                "restore it from a backup, or erase everything with --reset"
            ) from None
        if found != self.home.major:
            raise PostgresError(
                f"{self.name} was made by Postgres {found} and this is {self.home.major}: "
                "dump it with the old release, or erase it with --reset"
            )

    async def _wait_until_ready(self, child: Child) -> None:
        ending = asyncio.ensure_future(child.ended())
        try:
            async with asyncio.timeout(START_SECONDS):
                while not self._says_ready(child.pid):
                    if ending.done():
                        raise PostgresError(f"{self.name} ended: {self._last_words()}")
                    # Postgres tells by a line in a file, as its own pg_ctl reads it.
                    await asyncio.wait((ending,), timeout=POLL_SECONDS)
        except TimeoutError:
            await child.stop()
            raise PostgresError(f"{self.name} did not start: {self._last_words()}") from None
        finally:
            ending.cancel()

    def _says_ready(self, pid: int) -> bool:
        lines = list(self._pid_file_lines())
        return lines[:1] == [str(pid)] and lines[7:8] == ["ready"]

    def _pid_file_lines(self) -> Iterator[str]:
        try:
            text = read_file(self.data / "postmaster.pid").decode(errors="replace")
        except OSError:
            return
        yield from (line.strip() for line in text.splitlines())

    async def _end_orphan(self) -> None:
        """No postmaster of an earlier supervisor works on the data; its lock files are gone."""
        if sys.platform != "linux":
            return  # there Postgres itself has to find out
        for pid in self._postmasters():
            await end_process(pid, signal.SIGINT, within_seconds=ORPHAN_SECONDS)
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for left in self.directory.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def _postmasters(self) -> list[int]:
        """Processes that work on these data and were not started by another that does."""
        working = {
            int(entry.name): _parent(entry)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and self._works_on_these_data(entry)
        }
        return [pid for pid, parent in working.items() if parent not in working]

    def _works_on_these_data(self, process: Path) -> bool:
        try:
            return (process / "cwd").samefile(self.data)
        except OSError:  # it has ended, or is somebody else's
            return False

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return "it left no log"
        return " / ".join(lines[-LOG_TAIL_LINES:])


def _parent(process: Path) -> int:
    """The id of the parent; 0 if the process has ended."""
    try:
        # After the name in brackets, which may hold anything: state, parent (proc(5)).
        return int((process / "stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


async def end_process(pid: int, number: signal.Signals, *, within_seconds: float) -> None:
    """A process that is not a child of this one has ended; killed when it takes too long."""
    try:
        descriptor = os.pidfd_open(pid)
    except (OSError, AttributeError):
        return
    try:
        signal.pidfd_send_signal(descriptor, number)
        if not await _exits(descriptor, within_seconds):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            await _exits(descriptor, within_seconds)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


async def _exits(descriptor: int, seconds: float) -> bool:
    """Whether the process exits in time; its descriptor is readable when it has."""
    exited = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, exited.set)
    try:
        await asyncio.wait_for(exited.wait(), seconds)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
    return True
