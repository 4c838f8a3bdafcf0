"""A step done again and again."""

import asyncio
import time

import pytest

from chassis import deadline
from chassis.worker import run_every


@pytest.fixture
def stopping() -> asyncio.Event:
    return asyncio.Event()


async def test_a_step_is_repeated_until_the_process_stops(stopping: asyncio.Event) -> None:
    done = 0

    async def step() -> None:
        nonlocal done
        done += 1
        if done == 3:
            stopping.set()

    await run_every(step, interval_seconds=0.001, stopping=stopping, name="test")

    assert done == 3


async def test_a_failing_step_does_not_end_the_loop(stopping: asyncio.Event) -> None:
    attempts = 0

    async def step() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            stopping.set()
        raise KeyError("a failing step")

    await run_every(step, interval_seconds=0.001, stopping=stopping, name="test")

    assert attempts == 3


async def test_a_pause_ends_at_once_when_the_process_stops(stopping: asyncio.Event) -> None:
    async def step() -> None:
        asyncio.get_running_loop().call_soon(stopping.set)

    started = time.monotonic()
    await run_every(step, interval_seconds=3600, stopping=stopping, name="test")

    assert time.monotonic() - started < 1


async def test_a_step_under_way_is_not_cut(stopping: asyncio.Event) -> None:
    finished = []

    async def step() -> None:
        stopping.set()
        await asyncio.sleep(0)
        finished.append(1)

    await run_every(step, interval_seconds=0.001, stopping=stopping, name="test")

    assert finished == [1]


async def test_nothing_is_done_once_the_process_stops(stopping: asyncio.Event) -> None:
    stopping.set()
    done = []

    async def step() -> None:
        done.append(1)

    await run_every(step, interval_seconds=0.001, stopping=stopping, name="test")

    assert done == []


async def test_a_deadline_caps_what_is_asked() -> None:
    assert deadline.capped(5) == 5
    with deadline.bound(1):
        assert 0.5 < deadline.capped(5) <= 1
        assert deadline.capped(0.1) == 0.1
        with deadline.unbound():
            assert deadline.remaining_seconds() is None
    assert deadline.remaining_seconds() is None


async def test_a_deadline_that_has_passed_leaves_nothing() -> None:
    with deadline.bound(-1):
        assert deadline.remaining_seconds() == 0
