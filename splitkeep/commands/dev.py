"""`splitkeep dev`: see splitkeep.arguments.dev."""

import asyncio
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Mapping

from chassis.clock import SystemClock
from chassis.errors import KnownError
from chassis.signals import heeded
from splitkeep.cli import fail
from splitkeep.kek_file import KekGoneError
from splitkeep.local.postgres import PostgresError
from splitkeep.local.postgres_home import PostgresHomeError, wheel_directory
from splitkeep.local.screen import running_screen
from splitkeep.local.settings import (
    SettingsError,
    default_state,
    read_ports,
    with_workers,
)
from splitkeep.local.stack import Stack
from splitkeep.local.state import State, StateError, Wait, open_state
from splitkeep.local.supervisor import StartError
from splitkeep.local.variables import check_variables
from splitkeep.terminal import tell

ENDING_SECONDS = 30.0  # a stack takes less to end, save for a large checkpoint
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

ERRORS = (
    SettingsError,
    StateError,
    KekGoneError,
    StartError,
    PostgresError,
    PostgresHomeError,
    KnownError,
)


def run(arguments: Namespace, environ: Mapping[str, str]) -> int:
    """See Command."""
    try:
        check_variables(environ)
        wheel_directory()  # before anything is made
        state = open_state(arguments.state)
        with state.held(wait=Wait(ENDING_SECONDS, tell)):
            ports = read_ports(arguments, environ)
            if arguments.reset:
                state.erase()
                tell(f"Erased all data, keys and logs in {state.directory}.")
            return asyncio.run(_serve(state, ports, with_workers(arguments, environ)))
    except (*ERRORS, OSError) as error:
        return fail(error)


async def _serve(state: State, ports: Mapping[str, int], environ: Mapping[str, str]) -> int:
    stack = Stack(
        state=state,
        ports=ports,
        environ=environ,
        clock=SystemClock(),
        as_root=os.geteuid() == 0,
        report=tell,
    )
    # Another terminal has not this one's environment.
    usual = state.directory == default_state({}).resolve()
    work = asyncio.create_task(_run_forever(stack, own_state=not usual))
    _cancel_once(work)
    try:
        await work
    except asyncio.CancelledError:
        tell("Stopped.")
        return 0
    return 1


async def _run_forever(stack: Stack, *, own_state: bool) -> None:
    """Ends by itself only when the state directory is gone."""
    tell("Starting two databases and three services …")
    async with stack.running():
        screen = running_screen(stack.state, stack.description(), own_state=own_state)
        tell(screen, to=sys.stdout)
        try:
            await stack.state.gone()
            tell(f"{stack.state.directory} was deleted while its stack was running.")
        finally:
            tell("Stopping …")


def _cancel_once(work: asyncio.Task[None]) -> None:
    """The first signal ends the work; later ones do not disturb its ending."""
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        if not work.cancelling():
            work.cancel()

    for number in heeded(*STOP_SIGNALS):
        loop.add_signal_handler(number, cancel)
