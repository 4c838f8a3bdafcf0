"""Children end with their parent, however that ends, and in good order when asked."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from splitkeep.environment import ROOT
from splitkeep.local.child import Child, Program

SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from splitkeep.local.child import Child, Program

async def main():
    program = Program(
        command=[sys.executable, "-c", "import time; time.sleep(600)"],
        log=Path(sys.argv[1]), environ={}, directory=Path("/"),
    )
    child = Child(program)
    await child.start()
    print(child.pid, flush=True)
    await child.ended()

asyncio.run(main())
"""

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


def a_program(tmp_path: Path, code: str, *, end_seconds: float = 20) -> Program:
    return Program(
        command=[sys.executable, "-c", code],
        log=tmp_path / "log",
        environ={"SAID": "hello"},
        directory=tmp_path,
        end_seconds=end_seconds,
    )


def ends_within(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="the promise is the Linux kernel's")
def test_a_child_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path / "log")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as supervisor:
        assert supervisor.stdout is not None
        descriptor = os.pidfd_open(int(supervisor.stdout.readline()))
        try:
            assert not ends_within(descriptor, 0)
            supervisor.kill()
            assert ends_within(descriptor, 10)
        finally:
            os.close(descriptor)


async def test_a_child_gets_its_environment_and_no_other(tmp_path: Path) -> None:
    code = "import os; print(os.environ['SAID'], 'HOME' in os.environ)"
    child = Child(a_program(tmp_path, code))

    await child.start()

    assert await child.ended() == 0
    assert (tmp_path / "log").read_text() == "hello False\n"


async def test_a_child_is_out_of_the_terminals_reach(tmp_path: Path) -> None:
    child = Child(a_program(tmp_path, "import time; time.sleep(600)"))
    await child.start()

    try:
        assert os.getsid(child.pid) == child.pid != os.getsid(0)
    finally:
        await child.stop()


async def test_a_child_that_is_asked_to_stop_ends_by_that_signal(tmp_path: Path) -> None:
    child = Child(a_program(tmp_path, "import time; time.sleep(600)"))
    await child.start()

    await child.stop()

    assert await child.ended() == -signal.SIGTERM
    assert not child.running


async def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = Child(a_program(tmp_path, STUBBORN, end_seconds=0.2))
    await child.start()
    await _something_is_written(tmp_path / "log")

    await child.stop()

    assert await child.ended() == -signal.SIGKILL


async def _something_is_written(file: Path) -> None:
    def is_empty() -> bool:
        return not file.read_text()

    async with asyncio.timeout(10):
        while is_empty():  # noqa: ASYNC110  # a file tells nobody that it changed
            await asyncio.sleep(0.02)


async def test_stopping_what_has_ended_does_nothing(tmp_path: Path) -> None:
    child = Child(a_program(tmp_path, "pass"))
    await child.stop()
    await child.start()
    assert await child.ended() == 0

    await child.stop()

    assert await child.ended() == 0


async def test_a_program_that_does_not_exist_ends_with_an_error(tmp_path: Path) -> None:
    program = Program(
        command=["/no/such/program"], log=tmp_path / "log", environ={}, directory=tmp_path
    )
    child = Child(program)

    await child.start()

    assert await child.ended() != 0
    assert "cannot be run: No such file or directory" in (tmp_path / "log").read_text()
