"""The short way to a log line says what the long way says."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

import pytest
import structlog
from hypothesis import assume, given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chassis.log_level import LogLevel
from chassis.log_phrases import Phrase
from chassis.redaction import MAX_TEXT_CHARACTERS, is_suspicious, plain_fields, redacted
from chassis.sensitive import REDACTED, Sensitive
from chassis.telemetry import MAX_LINE_BYTES, configure_logging, record
from tests.unit.chassis.logged import LONG, MARKER, TOKEN, Written, logging_kept, names, values


@pytest.fixture(scope="module")
def written() -> Iterator[Written]:
    with logging_kept() as written:
        yield written


@given(fields=st.dictionaries(names, values, max_size=4))
def test_a_line_shows_each_field_as_redaction_leaves_it(
    written: Written, fields: dict[str, Any]
) -> None:
    expected = {name: redacted(name, value) for name, value in fields.items()}
    assume(len(json.dumps(expected)) < MAX_LINE_BYTES - 1_000)  # longer ones are shortened

    line = written.of(**fields)

    assert line.isascii()
    assert line.count("\n") == 1
    shown = json.loads(line)
    assert {name: shown[name] for name in fields} == json.loads(json.dumps(expected))


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"Authorization: BEARER {MARKER}",
        f"postgresql://user:{MARKER}@host/db",
        f"pas\u017fword={MARKER}",
        f"-----BEGIN PRIVATE KEY-----\n{MARKER}\n-----END PRIVATE KEY-----",
        f"\ud800 bearer {MARKER}",
        "x" * (MAX_TEXT_CHARACTERS - 7) + f"bearer {MARKER}",
    ],
)
@pytest.mark.parametrize("beside", [{}, {"names": ["a"]}, {"number": 2**70}], ids=repr)
def test_a_credential_is_redacted_whatever_stands_beside_it(
    written: Written, text: str, beside: dict[str, Any]
) -> None:
    assert MARKER not in written.of(field=text, listed=[text], **beside)


def test_a_credential_in_the_event_itself_is_redacted(written: Written) -> None:
    structlog.get_logger("x").warning(f"refused Bearer {MARKER}")

    assert MARKER not in written.stream.getvalue()


class Level(IntEnum):
    """A number that renders as more than one."""

    HIGH = 3


@pytest.mark.parametrize(
    "value",
    [
        *(Sensitive(MARKER), MARKER.encode(), UUID(int=1), Level.HIGH, LONG),
        *({"a": "b"}, {"a"}, ["a", 1.5], [["a"]], [LONG]),
        *(float("inf"), float("nan")),
    ],
    ids=repr,
)
def test_what_takes_looking_into_is_not_plain(value: object) -> None:
    assert plain_fields({"field": value}) is None


def test_a_secret_name_is_redacted_in_plain_fields_too() -> None:
    assert plain_fields({"token": MARKER, "n": 1}) == {"token": REDACTED, "n": 1}


def test_fields_that_are_not_ours_are_not_plain() -> None:
    assert plain_fields({"_record": "x"}) is None


@pytest.mark.parametrize(
    "line",
    [b"..eYj..", b"BEARER", b"PassWord=", b"-----Begin", b"http://a:b@c", "é".encode()],
)
def test_a_line_is_suspicious_whatever_the_case_of_its_letters(line: bytes) -> None:
    assert is_suspicious(line)


@pytest.mark.parametrize("line", [b'{"a":"https://x.example"}', b'{"a":"b@c"}', b"{}"])
def test_an_address_without_a_password_is_not_suspicious(line: bytes) -> None:
    assert not is_suspicious(line)


def test_the_time_of_a_line_is_that_of_its_writing(written: Written) -> None:
    before = datetime.now(UTC)
    shown = json.loads(written.of())["timestamp"]
    after = datetime.now(UTC)

    assert before <= datetime.fromisoformat(shown) <= after


def test_a_log_that_cannot_be_written_fails_nothing(written: Written) -> None:
    closed = io.StringIO()
    closed.close()
    configure_logging("test", LogLevel.INFO, closed)
    try:
        structlog.get_logger("x").info("lost")
    finally:
        configure_logging("test", LogLevel.INFO, written.stream)


@pytest.mark.parametrize("threshold", LogLevel)
def test_a_record_is_written_at_every_setting_of_the_level(threshold: LogLevel) -> None:
    lines = io.StringIO()
    configure_logging("test", threshold, lines)

    record("an event", subject="user:1", token="marker")
    structlog.reset_defaults()

    (line,) = map(json.loads, lines.getvalue().splitlines())
    assert (line["event"], line["level"], line["subject"]) == ("an event", "info", "user:1")
    assert line["token"] == REDACTED


def test_who_captures_lines_captures_records() -> None:
    with capture_logs() as captured:
        record("an event", LogLevel.ERROR, n=1)

    assert captured == [{"event": "an event", "log_level": "error", "n": 1}]


@pytest.mark.parametrize(
    "fields",
    [
        {"names": ["x" * 4_000] * 1_000},
        {"names": ["bearer x"] * 10_000, "other": "y"},
        {f"field_{number}": "\U0001f600" * 4_000 for number in range(40)},
        {"nested": {"deeper": {str(number): "z" * 100 for number in range(5_000)}}},
    ],
    ids=["plain", "suspicious", "many fields", "nested"],
)
@pytest.mark.parametrize("way", ["line", "record", "phrase"])
def test_no_line_is_longer_than_its_bound_and_its_longest_fields_are_left_out(
    fields: dict[str, Any], way: str
) -> None:
    with logging_kept() as written:
        if way == "line":
            structlog.get_logger("x").info("an event", subject="user:1", **fields)
        elif way == "record":
            record("an event", subject="user:1", **fields)
        else:
            Phrase(LogLevel.INFO, "an event", subject="user:1").say(**fields)

    line = written.stream.getvalue()
    assert len(line.encode()) <= MAX_LINE_BYTES
    shown = json.loads(line)
    assert (shown["event"], shown["subject"]) == ("an event", "user:1")
    assert any("left out: " in str(shown[name]) for name in fields)


def test_a_field_that_fits_stays_beside_one_that_is_left_out() -> None:
    with logging_kept() as written:
        shown = json.loads(written.of(names=["x" * 1_000] * 100, reason="y" * 1_000))

    assert shown["names"].startswith("(left out: 100")
    assert shown["reason"] == "y" * 1_000
