"""A part of the production stack dies; it comes back by itself and nothing is lost."""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from tests.e2e.compose.engine.docker import CommandError
from tests.e2e.compose.production import SERVICES, Production
from tests.e2e.stack import a_canary

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

RECOVERY_SECONDS = 60
POLL_SECONDS = 0.2
KILL = "import os, sys; os.kill(int(sys.argv[1]), 9)"


def kill(production: Production, service: str) -> None:
    """SIGKILL from outside the container: Docker knows nothing of it, so restarts it.

    By a container that shares the host's processes, so that it works where the engine runs
    in a virtual machine.
    """
    pid = str(production.inspect(service)["State"]["Pid"])
    image = production.environment["PYTHON_IMAGE"]
    host = ("--pid=host", "--network=none", "--user=0", "--entrypoint=python3")
    production.engine.docker("run", "--rm", *host, image, "-c", KILL, pid)


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + RECOVERY_SECONDS
    while time.monotonic() < deadline:
        try:
            if holds():
                return True
        except CommandError:
            pass  # nothing listens yet
        time.sleep(POLL_SECONDS)
    return False


@pytest.mark.parametrize("service", SERVICES)
def test_what_was_written_is_read_after_a_kill(production: Production, service: str) -> None:
    name, value, later = f"kept-{uuid4().hex[:8]}", a_canary(), f"later-{uuid4().hex[:8]}"
    assert production.create(name, value).status == 201
    before = production.inspect(service)["RestartCount"]

    kill(production, service)

    assert eventually(lambda: production.decrypt(name) == {name: {"value": value}})
    assert eventually(lambda: production.create(later, a_canary()).status in {201, 409})
    assert eventually(lambda: production.inspect(service)["RestartCount"] == before + 1)
