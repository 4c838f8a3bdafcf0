"""What libraries log, print and lose becomes lines in our form, few and without text."""

import asyncio
import io
import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chassis.foreign_output import (
    MAX_MESSAGE_CHARACTERS,
    ForeignLines,
    StandardError,
    log_lost_exceptions,
    redirect_standard_error,
)
from chassis.line_limit import LINES_PER_SECOND, WINDOW_SECONDS
from chassis.log_level import LogLevel
from chassis.telemetry import configure_logging
from tests.unit.chassis.logged import MARKER, TOKEN, Written, logging_kept

OVER = WINDOW_SECONDS + 0.3


@pytest.fixture
def written() -> Iterator[Written]:
    with logging_kept() as written:
        yield written


@contextmanager
def redirected() -> Iterator[Written]:
    """Inside the block standard error is ours."""
    with logging_kept() as written, pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stderr", written.stream)
        patched.setattr(sys, "unraisablehook", sys.unraisablehook)
        patched.setattr(threading, "excepthook", threading.excepthook)
        redirect_standard_error()
        yield written
        time.sleep(OVER)  # a count that is due would be written into another test's log


def parsed(written: Written) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.stream.getvalue().splitlines()]


def failing(text: str = MARKER) -> BaseException:
    try:
        int(text)
    except ValueError as error:
        return error
    raise AssertionError


async def test_the_lines_of_one_logger_are_limited_and_counted(written: Written) -> None:
    for number in range(1_000):
        logging.getLogger("a.library").warning("failed %d", number)
    logging.getLogger("another").warning("once")
    await asyncio.sleep(OVER)

    lines = parsed(written)
    assert len(lines) == LINES_PER_SECOND + 2
    assert lines[-1]["count"] == 1_000 - LINES_PER_SECOND
    assert [line["event"] for line in lines if line["logger"] == "another"] == ["once"]


def test_a_message_is_one_line_of_bounded_length(written: Written) -> None:
    logging.getLogger("a.library.long").warning("%s", "x" * 100_000)
    logging.getLogger("a.library.long").warning("first\nsecond %s", MARKER)

    long, short = parsed(written)
    assert len(long["event"]) == MAX_MESSAGE_CHARACTERS
    assert short["event"] == "first"


@pytest.mark.parametrize("before", [0, MAX_MESSAGE_CHARACTERS - 40])
@pytest.mark.parametrize(
    "credential", [TOKEN, f"Bearer {MARKER}", f"postgresql://user:{MARKER}@host"]
)
def test_no_credential_is_shown_by_cutting_it(
    written: Written, before: int, credential: str
) -> None:
    logging.getLogger("a.library.cut").warning("%s %s", "x" * before, credential)

    assert MARKER not in written.stream.getvalue()


def test_what_grpc_calls_an_error_is_a_warning_without_frames_in_its_text(
    written: Written,
) -> None:
    logging.getLogger("grpc._cython.cygrpc").error("failed", exc_info=failing())

    (line,) = parsed(written)
    assert (line["level"], line["failure"]["type"]) == ("warning", "ValueError")
    assert MARKER not in written.stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Error in callback for method [%s]", "Error in callback for method"),
        ("Abort error unexpectedly suppressed: ['%s']", "Abort error unexpectedly suppressed"),
        ("[%s]", "a message about one call"),
    ],
)
def test_a_path_that_a_caller_chose_is_not_in_what_grpc_logs(
    written: Written, text: str, shown: str
) -> None:
    logging.getLogger("grpc._cython.cygrpc").error(text, MARKER)

    (line,) = parsed(written)
    assert line["event"] == shown
    assert MARKER not in written.stream.getvalue()


def test_a_message_that_cannot_be_formatted_fails_nobody(written: Written) -> None:
    given = {"name": "a.library.bad", "msg": "%d", "args": ("no",), "levelno": 30}
    ForeignLines().handle(logging.makeLogRecord(given))

    (line,) = parsed(written)
    assert line["event"] == "a message that cannot be formatted"


async def test_lost_exceptions_are_limited_and_counted(written: Written) -> None:
    loop = asyncio.get_running_loop()
    log_lost_exceptions(loop)
    try:
        for _ in range(1_000):
            loop.call_exception_handler({"message": MARKER, "exception": failing()})
        await asyncio.sleep(OVER)
    finally:
        loop.set_exception_handler(None)

    lines = parsed(written)
    assert len(lines) == LINES_PER_SECOND + 1
    assert sum(line.get("count", 1) for line in lines) == 1_000
    assert MARKER not in written.stream.getvalue()


def test_a_traceback_that_is_printed_is_one_line_with_its_class() -> None:
    with redirected() as written:
        try:
            int(MARKER)
        except ValueError:
            traceback.print_exc()

    line, *counts = parsed(written)
    assert line["event"] == "a library wrote to standard error"
    assert line["failure"]["type"] == "ValueError"
    assert [set(count) & {"count", "failure"} for count in counts] in ([], [{"count"}])
    assert MARKER not in written.stream.getvalue()


def test_logging_set_up_again_still_goes_where_lines_went() -> None:
    with redirected() as written:
        configure_logging("again", LogLevel.INFO, sys.stderr)
        logging.getLogger("a.library.again").warning("once")

    (line,) = parsed(written)
    assert (line["service"], line["event"]) == ("again", "once")


def test_an_exception_lost_in_a_thread_is_a_line() -> None:
    with redirected() as written:
        thread = threading.Thread(target=int, args=(MARKER,))
        thread.start()
        thread.join()

    (line,) = [line for line in parsed(written) if "failure" in line]
    assert (line["event"], line["failure"]["type"]) == (
        "error that nobody awaited",
        "ValueError",
    )
    assert MARKER not in written.stream.getvalue()


def test_a_stream_without_a_descriptor_has_none_for_who_prints_either() -> None:
    with pytest.raises(OSError, match="fileno"):
        StandardError(io.StringIO()).fileno()
