"""A primary and its synchronous standby: two real Postgres servers that can change roles."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from chassis.sensitive import Sensitive
from splitkeep.local.child import Child, Program
from splitkeep.local.databases import new_password
from splitkeep.local.ports import LOOPBACK, Ports
from splitkeep.local.postgres import (
    SUPERUSER,
    PostgresServer,
    PostgresSettings,
    dsn,
    end_process,
)
from splitkeep.local.postgres_home import PostgresHome, erase_home, open_home

PATIENCE_SECONDS = 60.0
PROMOTE = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_promote(true, 60) ELSE true END"
POLL_SECONDS = 0.01
# What a primary is told so that each commit waits for its standby.
SYNCHRONOUS = "ALTER SYSTEM SET synchronous_standby_names = '*'"
CATCHES_UP_FAST = "ALTER SYSTEM SET wal_retrieve_retry_interval = '100ms'"


class NodesError(Exception):
    """A server did not do what the test needs; its log says why."""


@dataclass(slots=True)
class Pair:
    """Two servers, of which one is the primary; `database` is the services' database."""

    home: PostgresHome
    first: PostgresServer
    second: PostgresServer
    logs: Path
    database: str = "postgres"
    _swapped: bool = field(default=False, init=False)
    _stopped: list[int] = field(default_factory=list, init=False)

    @property
    def primary(self) -> PostgresServer:
        return self.second if self._swapped else self.first

    @property
    def standby(self) -> PostgresServer:
        return self.first if self._swapped else self.second

    @property
    def dsn(self) -> Sensitive[str]:
        """Names both servers, always in the same order."""
        settings = self.first.settings
        one = dsn(
            settings,
            user=SUPERUSER,
            password=settings.password.reveal(),
            database=self.database,
        ).reveal()
        ports = self.first.settings.port, self.second.settings.port
        both = f"{LOOPBACK}:{ports[0]},{LOOPBACK}:{ports[1]}"
        return Sensitive(one.replace(f"{LOOPBACK}:{ports[0]}", both))

    async def start(self) -> None:
        """The primary serves and its commits wait for the standby, which follows it."""
        await self.first.start()
        await self.administer(CATCHES_UP_FAST)
        await self.follow_anew()

    async def stop(self) -> None:
        """Neither runs."""
        self.resume()
        for server in (self.first, self.second):
            await _crash(server)

    async def follow_anew(self) -> None:
        """The other server is a fresh copy of the primary, and its only synchronous standby."""
        await self.administer("ALTER SYSTEM SET synchronous_standby_names = ''")
        await self._copy()
        await self.standby.start()
        await self.administer(SYNCHRONOUS)
        await self.until_replicating()

    async def until_replicating(self) -> None:
        await self.until(
            "SELECT count(*) = 1 FROM pg_stat_replication"
            " WHERE sync_state = 'sync' AND state = 'streaming'"
        )

    async def until(self, question: str) -> None:
        """The primary answers true to the question."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self.ask(question):  # noqa: ASYNC110  # another process's event
                await asyncio.sleep(POLL_SECONDS)

    async def ask(self, question: str) -> object:
        """What the primary answers."""
        connection = await asyncpg.connect(self.primary.admin_dsn.reveal())
        try:
            return await connection.fetchval(question)
        finally:
            connection.terminate()

    async def administer(self, statement: str) -> None:
        """The primary has done it and read its configuration again."""
        connection = await asyncpg.connect(self.primary.admin_dsn.reveal())
        try:
            await connection.execute(statement)
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            connection.terminate()

    async def kill_standby(self) -> None:
        """The standby is gone without a farewell."""
        await _crash(self.standby)

    async def start_standby(self) -> None:
        """The standby follows the primary again."""
        await self.standby.start()
        await self.until_replicating()

    async def stall_standby(self) -> None:
        """The standby is connected and receives nothing."""
        pids = [int(str(await self._ask_standby("SELECT pid FROM pg_stat_wal_receiver")))]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        self._stopped.extend(pids)

    async def cut_standby_off(self) -> None:
        """The standby runs and has no connection to the primary."""
        connection = await asyncpg.connect(self.standby.admin_dsn.reveal())
        try:
            await connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            connection.terminate()

    def resume(self) -> None:
        """What was stalled goes on."""
        for pid in self._stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._stopped.clear()

    async def kill_primary(self) -> None:
        """The primary is gone as if by a power failure of its process."""
        await _crash(self.primary)

    async def restart_primary(self) -> None:
        """The primary crashed and came back; its clients have lost their connections."""
        await _crash(self.primary)
        await self.primary.start()

    async def promote(self) -> None:
        """The standby is the primary, the former primary is whatever it is."""
        if not await self._ask_standby(PROMOTE):
            raise NodesError("the standby was not promoted")
        self._swapped = not self._swapped

    async def fail_over(self) -> None:
        """The primary is dead, its standby has taken over and waits for no standby yet."""
        await self.kill_primary()
        self.resume()
        if not self.standby_runs:
            await self.standby.start()
        await self.promote()

    @property
    def standby_runs(self) -> bool:
        return _runs(self.standby)

    async def return_unfenced(self) -> None:
        """The former primary serves again, as a primary, and waits for nobody."""
        configuration = self.standby.data / "postgresql.auto.conf"
        lines = configuration.read_text().splitlines()
        kept = [line for line in lines if not line.startswith("synchronous_standby_names")]
        configuration.write_text("\n".join(kept) + "\n")
        await self.standby.start()

    async def _ask_standby(self, question: str) -> object:
        connection = await asyncpg.connect(self.standby.admin_dsn.reveal())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    # What is replayed meanwhile may cancel a question: it is asked again.
                    with suppress(asyncpg.SerializationError):
                        answer = await connection.fetchval(question)
                        if answer is not None:
                            return answer
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            connection.terminate()

    async def _copy(self) -> None:
        target = self.standby
        await _crash(target)
        self.home.make_directory(target.directory)
        shutil.rmtree(target.data, ignore_errors=True)
        source = self.primary.admin_dsn.reveal()
        flags = [
            "--checkpoint=fast",
            "--no-sync",
            "--wal-method=fetch",
            "--write-recovery-conf",
        ]
        await self._run(["pg_basebackup", "-d", source, "-D", str(target.data), *flags])

    async def _run(self, command: Sequence[str]) -> None:
        name, *words = command
        log = self.logs / f"{name}.log"
        program = Program(
            command=[self.home.program(name), *words],
            log=log,
            environ={"LC_ALL": "C", "PATH": os.defpath},
            directory=self.standby.directory,
            identity=self.home.identity,
        )
        child = Child(program)
        await child.start()
        if await child.ended() != 0:
            raise NodesError(log.read_text()[-500:])


@asynccontextmanager
async def pairs(state: Path, *names: str) -> AsyncIterator[dict[str, Pair]]:
    """A pair for each name, running; nothing of them is left afterwards."""
    home = await asyncio.to_thread(_home, state)
    ports = Ports()
    async with AsyncExitStack() as open_things:
        open_things.callback(erase_home, state)
        made = {name: _pair(home, state, name, ports) for name in names}
        for pair in made.values():
            open_things.push_async_callback(pair.stop)
        await asyncio.gather(*(pair.start() for pair in made.values()))
        yield made


def _home(state: Path) -> PostgresHome:
    state.mkdir(mode=0o700, exist_ok=True)
    return open_home(state, as_root=os.geteuid() == 0)


def _pair(home: PostgresHome, state: Path, name: str, ports: Ports) -> Pair:
    password = Sensitive(new_password())

    def server(number: int) -> PostgresServer:
        settings = PostgresSettings(
            name=f"{name}-{number}", port=ports.choose(0), password=password, durable=False
        )
        return PostgresServer(home, settings, state / f"{name}-{number}.log")

    return Pair(home, server(1), server(2), logs=state)


def _runs(server: PostgresServer) -> bool:
    return server._child is not None and server._child.running


async def _crash(server: PostgresServer) -> None:
    if _runs(server):
        await end_process(server.pid, signal.SIGQUIT, within_seconds=PATIENCE_SECONDS)
        await server.ended()
