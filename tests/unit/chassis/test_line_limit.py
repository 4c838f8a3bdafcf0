"""However many lines of an event there are, few are written and the others are counted."""

import asyncio
import json
import threading
import time
from typing import Any

from chassis.line_limit import LINES_PER_SECOND, WINDOW_SECONDS, LineLimit
from chassis.log_level import LogLevel
from chassis.request_id import bind_request_id
from chassis.telemetry import configure_logging
from tests.unit.chassis.logged import logging_kept

OVER = WINDOW_SECONDS + 0.3
"""Seconds after which a window is over and its count has been written."""


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_the_lines_beyond_the_limit_are_counted_on_one_line() -> None:
    limit = LineLimit("call refused", per_second=3)
    with logging_kept() as written:
        for number in range(1_000):
            limit.say(number=number)
        await asyncio.sleep(OVER)

    *first, last = lines(written.stream.getvalue())
    assert [line["number"] for line in first] == [0, 1, 2]
    assert (last["event"], last["count"]) == ("call refused", 997)


async def test_each_second_begins_anew() -> None:
    limit = LineLimit("call refused", per_second=1)
    with logging_kept() as written:
        for _ in range(2):
            limit.say()
            limit.say()
            await asyncio.sleep(OVER)

    assert [line.get("count") for line in lines(written.stream.getvalue())] == [None, 1] * 2


async def test_a_flood_of_several_seconds_is_a_bounded_number_of_lines_and_none_is_lost() -> (
    None
):
    limit = LineLimit("call refused")
    said, end = 0, time.monotonic() + 3 * WINDOW_SECONDS
    with logging_kept() as written:
        while time.monotonic() < end:
            for _ in range(100):
                limit.say()
            said += 100
            await asyncio.sleep(0.001)
        await asyncio.sleep(OVER)

    shown = lines(written.stream.getvalue())
    assert sum(line.get("count", 1) for line in shown) == said
    assert len(shown) <= 4 * (LINES_PER_SECOND + 1)


async def test_a_limit_of_no_lines_only_counts_and_says_what_is_true_then() -> None:
    limit = LineLimit("calls refused", per_second=0, about=lambda: {"calls_in_flight": 7})
    with logging_kept() as written:
        limit.say()
        limit.say()
        assert written.stream.getvalue() == ""
        await asyncio.sleep(OVER)

    (line,) = lines(written.stream.getvalue())
    assert (line["count"], line["calls_in_flight"], line["level"]) == (2, 7, "warning")


async def test_only_records_are_written_at_every_setting_of_the_level() -> None:
    kept = LineLimit("call refused", LogLevel.INFO, per_second=1, is_record=True)
    other = LineLimit("connection refused", LogLevel.INFO, per_second=1)
    with logging_kept() as written:
        configure_logging("vault", LogLevel.ERROR, written.stream)
        for limit in (kept, other) * 2:
            limit.say()
        await asyncio.sleep(OVER)

    shown = lines(written.stream.getvalue())
    assert [line["event"] for line in shown] == ["call refused", "call refused"]


async def test_a_line_bears_the_id_of_its_request_and_a_count_bears_none() -> None:
    limit = LineLimit("call refused", per_second=1)
    with logging_kept() as written, bind_request_id("of-the-call"):
        limit.say()
        limit.say()
        await asyncio.sleep(OVER)

    first, last = lines(written.stream.getvalue())
    assert first["request_id"] == "of-the-call"
    assert "request_id" not in last


def test_threads_without_an_event_loop_are_limited_and_counted_together() -> None:
    limit = LineLimit("connection refused", per_second=2)

    def many() -> None:
        for _ in range(200):
            limit.say()

    threads = [threading.Thread(target=many) for _ in range(4)]
    with logging_kept() as written:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(OVER)

    shown = lines(written.stream.getvalue())
    assert sum(line.get("count", 1) for line in shown) == 800
    assert len(shown) == 3


async def test_two_events_do_not_share_a_limit() -> None:
    first, second = (LineLimit(event, per_second=1) for event in ("a", "b"))
    with logging_kept() as written:
        for _ in range(10):
            first.say()
        second.say()

    assert [line["event"] for line in lines(written.stream.getvalue())] == ["a", "b"]
