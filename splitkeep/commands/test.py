"""`splitkeep test`: see splitkeep.arguments.test."""

import asyncio
import os
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from chassis.sensitive import Sensitive
from chassis.signals import heeded
from splitkeep.cli import fail
from splitkeep.environment import ROOT, alone, is_clone
from splitkeep.files import private_directory
from splitkeep.local.databases import new_password
from splitkeep.local.docker import engine_answers
from splitkeep.local.ports import Ports
from splitkeep.local.postgres import PostgresError, PostgresServer, PostgresSettings
from splitkeep.local.postgres_home import PostgresHomeError, erase_home, open_home
from splitkeep.local.settings import default_state
from splitkeep.local.state import State, StateError, open_state
from splitkeep.local.supervisor import Supervisor
from splitkeep.terminal import tell

SERVERS = ("metadata", "vault")
RUN_PREFIX = "test-"


def dsn_variable(server: str) -> str:
    """Where the tests look for a server."""
    return f"SPLITKEEP_TEST_{server.upper()}_DSN"


def run(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """See Command."""
    if not is_clone(ROOT):
        return fail("an installed package has no tests: run this in a clone")
    if not engine_answers(environ):
        tell(
            "No Docker engine answers: tests that need one start their own where they can, "
            "and are skipped elsewhere."
        )
    try:
        with ExitStack() as held:
            mine = _begin_run(open_state(default_state(environ)), held)
            return asyncio.run(_Run(mine, environ).run(arguments.words))
    except (StateError, PostgresError, PostgresHomeError, OSError) as error:
        return fail(error)


@dataclass(slots=True)
class _Run:
    state: State
    environ: Mapping[str, str]
    _ports: Ports = field(default_factory=Ports)

    async def run(self, words: Sequence[str]) -> int:
        """The servers run while pytest does; answers its exit code."""
        # A Ctrl-C is pytest's, which is in the terminal's foreground too, and ends it.
        for number in heeded(signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
        missing = [name for name in SERVERS if not self.environ.get(dsn_variable(name))]
        supervisor = Supervisor(tell, lambda: None)
        try:
            servers = {name: self._server(name) for name in missing}
            await supervisor.start(list(servers.values()))
            made = {dsn_variable(n): s.admin_dsn.reveal() for n, s in servers.items()}
            return await self._pytest(words, made)
        finally:
            await supervisor.stop()

    def _server(self, name: str) -> PostgresServer:
        home = open_home(self.state.directory, as_root=os.geteuid() == 0)
        settings = PostgresSettings(
            name=name,
            port=self._ports.choose(0),
            password=Sensitive(new_password()),
            durable=False,
        )
        logs = private_directory(self.state.directory / "logs")
        return PostgresServer(home, settings, logs / f"postgres-{name}.log")

    async def _pytest(self, words: Sequence[str], made: Mapping[str, str]) -> int:
        command = [sys.executable, "-m", "pytest", *(words or in_parallel())]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env={**self.environ, **made}
        )
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, process.terminate)
        code = await process.wait()
        loop.remove_signal_handler(signal.SIGTERM)
        return code if code >= 0 else 128 - code


def _begin_run(state: State, held: ExitStack) -> State:
    """A directory of this run's own, erased when `held` ends; abandoned ones are gone."""
    with alone(state.directory):
        erase_abandoned_runs(state)
        mine = open_state(state.directory / f"{RUN_PREFIX}{os.getpid()}")
        held.callback(_erase_run, mine)
        held.enter_context(mine.held())
    return mine


def in_parallel() -> list[str]:
    """What pytest is told when the person says nothing.

    The tests of one file stay together: they share what is expensive to make. Whatever is
    skipped says why at the end.
    """
    return ["-n", str(os.cpu_count() or 1), "--dist", "loadfile", "-q", "-rs"]


def erase_abandoned_runs(state: State) -> None:
    """Nothing is left of runs that were killed; those still running are not touched."""
    for directory in state.directory.glob(f"{RUN_PREFIX}*"):
        abandoned = State(directory)
        try:
            with abandoned.held():
                pass
        except (StateError, OSError):
            continue
        _erase_run(abandoned)


def _erase_run(state: State) -> None:
    erase_home(state.directory)
    shutil.rmtree(state.directory, ignore_errors=True)
