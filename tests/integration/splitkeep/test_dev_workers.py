"""`splitkeep dev --workers 2`: supervisors under a supervisor."""

import os
import re
import signal
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.integration.splitkeep.test_dev import (
    SECRET,
    STOP_SECONDS,
    Workplace,
    await_value,
    create,
    workplace,
)

__all__ = ["workplace"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SERVICES = ("metadata", "vault")


def workers(stack: dict[str, Any], service: str) -> list[int]:
    """The process ids of a service's workers."""
    pid = stack["pids"][service]
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def has_ended(pid: int) -> bool | None:
    """Whether it runs no more; one that waits for its burial does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z" or None


def test_a_killed_supervisor_comes_back_on_its_port_and_its_workers_are_gone(
    workplace: Workplace,
) -> None:
    with workplace.running("--workers", "2") as stack:
        create(stack, "before")
        before = {service: workers(stack, service) for service in SERVICES}

        for service in SERVICES:
            os.kill(stack["pids"][service], signal.SIGKILL)

        def back() -> dict[str, Any] | None:
            now = workplace.description()
            renewed = now and all(now["pids"][s] != stack["pids"][s] for s in SERVICES)
            return now if renewed else None

        now = await_value(back)
        for pid in [*before["metadata"], *before["vault"]]:
            await_value(partial(has_ended, pid), STOP_SECONDS)
        create(now, "after")
        read = workplace.run("decrypt", "before", "after")
        after = {service: workers(now, service) for service in SERVICES}

    assert [len(pids) for pids in (*before.values(), *after.values())] == [2] * 4
    assert read.stdout == f"before={SECRET}\nafter={SECRET}\n"
    for pid in [*after["metadata"], *after["vault"]]:
        assert has_ended(pid)


def test_a_killed_stack_leaves_no_worker_and_every_worker_is_in_the_metrics(
    workplace: Workplace,
) -> None:
    process = workplace.start("--workers", "2")
    stack = await_value(workplace.description)
    pids = [pid for service in SERVICES for pid in workers(stack, service)]
    shown = {
        service: httpx2.get(f"{stack['operations'][service]}/metrics", trust_env=False).text
        for service in SERVICES
    }

    process.kill()
    process.communicate()

    for pid in [*pids, *stack["pids"].values()]:
        await_value(partial(has_ended, pid), STOP_SECONDS)
    for text in shown.values():
        found = re.findall(r'^process_open_fds{worker="(\d)"}', text, re.MULTILINE)
        assert found == ["0", "1"]
        assert "\nworkers_alive 2\n" in text
