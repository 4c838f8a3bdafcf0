"""The life of a process: event loop, signals, exit code.

- SIGTERM and SIGINT set `stopping`; main drains and returns. A second signal ends it at once.
- Core dumps are off: they would hold whatever the memory holds.
- Its threads share one arena of memory (chassis/freed_memory.py).
- It may open as many files and connections as the system lets it (chassis/descriptors.py).
- What does not allow a start is told as sentences. Exit code 2: somebody has to change
  something first; 3: it may pass by itself (chassis/config.py). Where it was found is logged at
  DEBUG.
- Any other failure is logged without its text: exit code 1.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

import structlog
import uvloop

from chassis.config import StartRefusedError
from chassis.descriptors import raise_descriptor_limit
from chassis.foreign_output import log_lost_exceptions, redirect_standard_error
from chassis.freed_memory import allocate_from_one_arena
from chassis.log_level import LogLevel
from chassis.redaction import describe_exception
from chassis.signals import heeded
from chassis.telemetry import configure_logging

EXIT_FAILED = 1

_log = structlog.get_logger(__name__)


def _log_refusal(problems: Sequence[str]) -> None:
    _log.error("start refused", problems=list(problems))


def run(
    main: Callable[[asyncio.Event], Awaitable[None]],
    *,
    service: str = "starting",
    refuse: Callable[[Sequence[str]], None] = _log_refusal,
) -> int:
    """The exit code of the process whose work `main` is.

    `service` names it in the log until `main` has configured that. `refuse` tells what does not
    allow a start; it is logged unless somebody else does.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    allocate_from_one_arena()
    raise_descriptor_limit()
    configure_logging(service, LogLevel.INFO, sys.stderr)  # until main knows better
    redirect_standard_error()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_supervised(main))
    except StartRefusedError as error:
        refuse(error.problems)
        _log.debug("start refused there", failure=describe_exception(error))
        return error.exit_code
    except asyncio.CancelledError:
        _log.warning("stopped without draining")
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001  # told without its text
        _log.critical("process failed", failure=describe_exception(error))
        return EXIT_FAILED
    return 0


def run_command(
    main: Callable[[asyncio.Event], Awaitable[bool | None]], *, service: str
) -> int:
    """The exit code of a command: 1 if `main` answers False, 2 if it comes to no answer."""
    answers: list[bool | None] = []

    async def answered(stopping: asyncio.Event) -> None:
        answers.append(await main(stopping))

    if run(answered, service=service) or not answers:
        return StartRefusedError.exit_code
    return EXIT_FAILED if answers[0] is False else 0


def usage(text: str) -> NoReturn:
    """The process ends and says how it is called."""
    sys.stderr.write(f"usage: {text}\n")
    sys.exit(StartRefusedError.exit_code)


def leave(code: int) -> NoReturn:
    """The process has ended with this code, and what it printed is out.

    The interpreter is not taken down in order: there gRPC waits two seconds for threads of its
    own that nobody needs any more (grpc/grpc#39297).
    """
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except OSError:  # whoever reads it has gone
        code = code or EXIT_FAILED
    os._exit(code)


async def _supervised(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    log_lost_exceptions(loop)
    stopping = asyncio.Event()
    working = asyncio.ensure_future(main(stopping))

    def stop() -> None:
        if stopping.is_set():
            working.cancel()
        stopping.set()

    for number in heeded(signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await working
