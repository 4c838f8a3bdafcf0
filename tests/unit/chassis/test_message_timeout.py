"""Those who wait for a message that does not come."""

import asyncio

from chassis.deadline import MessageTimeout

SECONDS = 0.1


class Waiting:
    def __init__(self) -> None:
        self.timed_out_at: list[float] = []

    def time_out(self) -> None:
        self.timed_out_at.append(asyncio.get_running_loop().time())


async def test_who_waits_too_long_is_timed_out_once_and_not_early() -> None:
    timeout, waiting = MessageTimeout(SECONDS), Waiting()
    began = asyncio.get_running_loop().time()
    timeout.begin(waiting)

    await asyncio.sleep(5 * SECONDS)

    (at,) = waiting.timed_out_at
    assert at - began >= SECONDS


async def test_who_got_the_message_is_not_timed_out() -> None:
    timeout, served, waiting = MessageTimeout(SECONDS), Waiting(), Waiting()
    timeout.begin(served)
    timeout.begin(waiting)
    timeout.end(served)

    await asyncio.sleep(5 * SECONDS)

    assert served.timed_out_at == []
    assert len(waiting.timed_out_at) == 1


async def test_who_begins_later_has_its_own_time() -> None:
    timeout, first, second = MessageTimeout(SECONDS), Waiting(), Waiting()
    timeout.begin(first)
    await asyncio.sleep(SECONDS / 2)
    began = asyncio.get_running_loop().time()
    timeout.begin(second)

    await asyncio.sleep(5 * SECONDS)

    assert second.timed_out_at[0] - began >= SECONDS


async def test_ending_twice_or_after_the_time_does_nothing() -> None:
    timeout, waiting = MessageTimeout(SECONDS), Waiting()
    timeout.begin(waiting)
    await asyncio.sleep(5 * SECONDS)

    timeout.end(waiting)
    timeout.end(waiting)

    assert len(waiting.timed_out_at) == 1
