"""A phrase's line is the line that would be said without it."""

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any
from uuid import UUID

import pytest
import structlog
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chassis.log_level import LogLevel
from chassis.log_phrases import Phrase
from chassis.request_id import bind_request_id
from chassis.sensitive import Sensitive
from chassis.telemetry import configure_logging, lines_written
from tests.unit.chassis.logged import (
    LONG,
    MARKER,
    TOKEN,
    Written,
    logging_kept,
    names,
    texts,
    values,
)

some_fields = st.dictionaries(names, values, max_size=4)


@pytest.fixture(scope="module")
def logging() -> Iterator[Written]:
    with logging_kept() as written:
        yield written


@pytest.fixture
def written(logging: Written) -> Written:
    configure_logging("test", LogLevel.INFO, logging.stream, worker_number=3)
    logging.forget()
    return logging


def line_of(stream: io.StringIO) -> dict[str, Any]:
    """The one line, without its time."""
    text = stream.getvalue()
    assert text.isascii()
    assert text.count("\n") == 1
    line: dict[str, Any] = json.loads(text)
    assert line.pop("timestamp").endswith("Z")
    return line


def both_ways(
    written: Written,
    fixed: dict[str, Any],
    varying: dict[str, Any],
    request_id: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The phrase's line, and the line of an ordinary logger with the same fields."""
    with nullcontext() if request_id is None else bind_request_id(request_id):
        written.forget()
        Phrase(LogLevel.INFO, "an event", **fixed).say(**varying)
        said = line_of(written.stream)
        written.of(**fixed, **varying)
    return said, line_of(written.stream)


@given(fixed=some_fields, varying=some_fields, request_id=texts | st.none())
def test_a_phrase_says_what_an_ordinary_line_says(
    logging: Written,
    fixed: dict[str, Any],
    varying: dict[str, Any],
    request_id: str | None,
) -> None:
    varying = {name: value for name, value in varying.items() if name not in fixed}

    said, ordinary = both_ways(logging, fixed, varying, request_id)

    assert said == ordinary


HARD = {
    "a token": TOKEN,
    "a bearer": f"BEARER {MARKER}",
    "a password in an address": f"postgresql://user:{MARKER}@host/db",
    "half a surrogate": "\ud800",
    "half a surrogate and a bearer": f"\ud800 bearer {MARKER}",
    "a letter beyond ASCII": f"pas\u017fword={MARKER}",
    "a number beyond 64 bits": 2**70,
    "a text over the limit": LONG,
    "an object": UUID(int=1),
    "bytes": MARKER.encode(),
    "something sensitive": Sensitive(MARKER),
    "no number": float("inf"),
}


@pytest.mark.parametrize("hard", HARD.values(), ids=HARD)
@pytest.mark.parametrize("listed", [False, True], ids=["alone", "in a list"])
def test_what_is_not_plain_is_redacted_in_what_stays_and_in_what_changes(
    written: Written, hard: object, *, listed: bool
) -> None:
    value = ["a", hard] if listed else hard
    for fixed, varying in (({"who": value}, {"n": 1}), ({"who": "me"}, {"n": value})):
        said, ordinary = both_ways(written, fixed, varying, "r-1")

        assert said == ordinary
        assert MARKER not in json.dumps(said)


def test_a_field_named_like_a_secret_is_redacted_wherever_it_stands(written: Written) -> None:
    said, ordinary = both_ways(written, {"token": MARKER}, {"password": MARKER})

    assert said == ordinary
    assert MARKER not in json.dumps(said)


def test_a_request_id_that_looks_like_a_token_is_redacted(written: Written) -> None:
    said, ordinary = both_ways(written, {"who": "me"}, {"n": 1}, TOKEN)

    assert said == ordinary
    assert MARKER not in said["request_id"]


def test_an_event_that_looks_like_a_credential_is_redacted(written: Written) -> None:
    Phrase(LogLevel.INFO, f"refused bearer {MARKER}").say()

    assert MARKER not in written.stream.getvalue()


def test_halves_of_an_address_in_two_fields_are_no_credential(written: Written) -> None:
    said, ordinary = both_ways(written, {"a": "https://user:x"}, {"b": "y@host"})

    assert said == ordinary
    assert (said["a"], said["b"]) == ("https://user:x", "y@host")


def test_a_phrase_may_have_nothing_but_its_event(written: Written) -> None:
    said, ordinary = both_ways(written, {}, {})

    assert said == ordinary
    assert said == {
        "event": "an event",
        "level": "info",
        "service": "test",
        "worker_number": 3,
    }


def test_every_line_has_its_own_request_and_fields(written: Written) -> None:
    phrase = Phrase(LogLevel.INFO, "an event", who="me")

    for number in range(3):
        with bind_request_id(f"r-{number}"):
            phrase.say(n=number)
    phrase.say(n=3)

    lines = [json.loads(line) for line in written.stream.getvalue().splitlines()]
    assert [line["n"] for line in lines] == [0, 1, 2, 3]
    assert [line.get("request_id") for line in lines] == ["r-0", "r-1", "r-2", None]
    assert {line["who"] for line in lines} == {"me"}


@pytest.mark.parametrize("level", LogLevel)
@pytest.mark.parametrize("threshold", LogLevel)
@pytest.mark.parametrize("field", ["plain", b"not plain"])
def test_a_phrase_is_written_at_every_setting_of_the_level(
    written: Written, level: LogLevel, threshold: LogLevel, field: object
) -> None:
    configure_logging("test", threshold, written.stream)

    Phrase(level, "an event").say(field=field)

    said = [json.loads(line)["level"] for line in written.stream.getvalue().splitlines()]
    assert said == [level.lower()]


def test_a_phrase_follows_a_new_configuration(written: Written) -> None:
    phrase, elsewhere = Phrase(LogLevel.INFO, "an event", who="me"), io.StringIO()
    phrase.say()

    configure_logging("another", LogLevel.INFO, elsewhere, worker_number=7)
    phrase.say()

    assert line_of(written.stream)["service"] == "test"
    line = line_of(elsewhere)
    assert (line["service"], line["worker_number"], line["who"]) == ("another", 7, "me")


def test_what_stays_the_same_is_encoded_once_for_a_configuration(written: Written) -> None:
    phrase = Phrase(LogLevel.INFO, "an event", who="me")
    phrase.say(n=1)
    start = phrase._start

    phrase.say(n=2)

    assert start is not None
    assert phrase._start is start


def test_who_captures_lines_captures_phrases(written: Written) -> None:
    phrase = Phrase(LogLevel.WARNING, "an event", who="me")
    phrase.say(n=1)

    with capture_logs() as captured:
        phrase.say(n=2)
    phrase.say(n=3)

    assert captured == [{"event": "an event", "log_level": "warning", "who": "me", "n": 2}]
    lines = [json.loads(line) for line in written.stream.getvalue().splitlines()]
    assert [line["n"] for line in lines] == [1, 3]


@pytest.mark.parametrize("name", ["request_id", "timestamp", "exc_info"])
def test_a_field_named_like_one_of_every_line_cannot_stay_the_same(name: str) -> None:
    with pytest.raises(ValueError, match="like one that every line has"):
        Phrase(LogLevel.INFO, "an event", **{name: "x"})


@pytest.mark.parametrize("name", ["request_id", "timestamp", "exc_info", "level", "service"])
def test_a_field_named_like_one_of_every_line_is_as_in_an_ordinary_one(
    written: Written, name: str
) -> None:
    said, ordinary = both_ways(written, {"who": "me"}, {name: "x"}, "r-1")

    assert said == ordinary


def test_a_field_is_not_said_twice(written: Written) -> None:
    phrase = Phrase(LogLevel.INFO, "an event", who="me")

    with pytest.raises(TypeError, match="multiple values"):
        phrase.say(who="you")


def test_a_log_that_cannot_be_written_fails_nothing(written: Written) -> None:
    closed = io.StringIO()
    closed.close()
    configure_logging("test", LogLevel.INFO, closed)

    Phrase(LogLevel.INFO, "lost").say()


def test_without_a_configuration_a_phrase_is_said_as_structlog_would(
    written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.reset_defaults()

    Phrase(LogLevel.INFO, "an event", who="me").say(n=1)

    assert "an event" in capsys.readouterr().out


class Writes(io.StringIO):
    """Knows how often it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def write(self, text: str) -> int:
        self.count += 1
        return super().write(text)


@pytest.mark.parametrize("loop_of", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_several_say_in_one_turn_of_the_loop_is_written_at_once(
    written: Written, loop_of: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    stream = Writes()
    configure_logging("test", LogLevel.INFO, stream)
    phrase = Phrase(LogLevel.INFO, "an event")

    async def say(number: int) -> int:
        """How many lines there were when this one was written."""
        phrase.say(n=number)
        await lines_written()
        return stream.getvalue().count("\n")

    async def say_all() -> list[int]:
        return await asyncio.gather(*map(say, range(3)))

    with asyncio.Runner(loop_factory=loop_of) as runner:
        seen = runner.run(say_all())

    assert [json.loads(line)["n"] for line in stream.getvalue().splitlines()] == [0, 1, 2]
    assert (seen, stream.count) == ([3, 3, 3], 1)


async def test_what_is_said_is_written_though_nobody_waits_for_it(written: Written) -> None:
    Phrase(LogLevel.INFO, "an event").say()
    assert written.stream.getvalue() == ""

    await asyncio.sleep(0)

    assert line_of(written.stream)["event"] == "an event"


def test_what_a_loop_that_ended_has_not_written_is_written_by_the_next(
    written: Written,
) -> None:
    phrase = Phrase(LogLevel.INFO, "an event")
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    first.call_soon(first.stop)
    first.call_soon(phrase.say)
    first.run_forever()  # it stops before what was asked for last
    first.close()

    second.run_until_complete(_said(phrase))
    second.close()

    assert written.stream.getvalue().count("\n") == 2


async def _said(phrase: Phrase) -> None:
    phrase.say()
    await lines_written()
