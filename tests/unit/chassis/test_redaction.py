"""What a log line may show."""

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import structlog

from chassis.errors import ConflictError
from chassis.foreign_output import log_lost_exceptions
from chassis.log_level import LogLevel
from chassis.redaction import describe_exception, redacted, redacted_text
from chassis.sensitive import REDACTED, Sensitive
from chassis.telemetry import (
    bind_request_id,
    configure_logging,
    current_request_id,
)

MARKER = "marker-of-a-secret"


@dataclass
class Message:
    """Something whose repr would tell."""

    value: str


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("test", LogLevel.INFO, stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def parsed(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "access_token",
        "x-access-token",
        "Authorization",
        "value",
        "password",
        "dsn",
        "metadata_dsn",
        "private_key",
        "key",
        "signing_key",
        "client_secret",
        "key_material",
        "cookie",
        "plaintext",
    ],
)
def test_a_field_named_like_a_secret_is_redacted(name: str) -> None:
    assert redacted(name, MARKER) == REDACTED


@pytest.mark.parametrize(
    "name", ["name", "token_id", "value_id", "key_id", "reason", "value_ids"]
)
def test_a_field_about_a_secret_is_shown(name: str) -> None:
    assert redacted(name, "plain") == "plain"


def test_a_secret_is_redacted_however_deep() -> None:
    nested = {
        "a": [{"token": MARKER}, {"b": Sensitive(MARKER)}],
        "c": {"d": (Sensitive(b"x"),)},
    }

    assert MARKER not in json.dumps(redacted("fields", nested))


@pytest.mark.parametrize(
    "unknown", [Message(MARKER), MARKER.encode(), bytearray(MARKER.encode()), object()]
)
def test_what_is_not_plain_appears_as_its_class(unknown: object) -> None:
    shown = redacted("field", unknown)

    assert shown.startswith("<")
    assert MARKER not in shown


@pytest.mark.parametrize(
    "text",
    [
        f"got eyJhbGciOiJFUzI1NiJ9.{MARKER}.{MARKER}",
        f"Authorization: Bearer {MARKER}",
        f"postgresql://user:{MARKER}@host/db",
        f"host=x password={MARKER}",
        f"-----BEGIN PRIVATE KEY-----\n{MARKER}\n-----END PRIVATE KEY-----",
    ],
)
def test_a_credential_in_a_text_is_redacted(text: str) -> None:
    assert MARKER not in redacted_text(text)


@pytest.mark.parametrize("part", ["eyJ", "eyJ.", "://", "://a:", "bearer ", "-----BEGIN "])
@pytest.mark.parametrize("filling", ["eyJ", ":", " ", "A", "a."])
def test_no_text_takes_long_to_redact(part: str, filling: str) -> None:
    started = time.process_time()

    redacted_text(part + filling * 30_000)
    redacted_text(part * 30_000 + filling)

    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("before", ["", "x", "_", "token-", "a.", "{"])
def test_a_token_is_redacted_whatever_it_follows(before: str) -> None:
    assert MARKER not in redacted_text(f"{before}eyJhbGciOiJFUzI1NiJ9.{MARKER}.{MARKER}")


def test_plain_values_stay_as_they_are() -> None:
    shown = redacted("fields", {"n": 1, "f": 0.5, "b": True, "none": None, "id": UUID(int=1)})

    assert shown == {"n": 1, "f": 0.5, "b": True, "none": None, "id": str(UUID(int=1))}


def test_an_exception_is_its_class_and_place() -> None:
    nothing: dict[str, str] = {}
    with pytest.raises(KeyError) as caught:
        nothing[MARKER]

    described = describe_exception(caught.value)

    assert described["type"] == "KeyError"
    assert described["frames"][0].endswith("test_an_exception_is_its_class_and_place")
    assert MARKER not in json.dumps(described)


def test_an_exceptions_causes_and_group_are_described_without_text() -> None:
    error = ExceptionGroup(MARKER, [ValueError(MARKER)])
    error.__cause__ = ConflictError("told to people")

    described = describe_exception(error)

    assert described["cause"]["message"] == "told to people"
    assert described["group"][0]["type"] == "ValueError"
    assert MARKER not in json.dumps(described)


def test_a_line_is_one_json_object(lines: io.StringIO) -> None:
    structlog.get_logger("x").info("two\nlines", number=1, token=MARKER)

    (line,) = parsed(lines)
    assert (line["event"], line["number"], line["service"]) == ("two\nlines", 1, "test")
    assert (line["token"], line["level"]) == (REDACTED, "info")
    assert line["timestamp"].endswith("Z")


def test_lines_below_the_level_are_not_written(lines: io.StringIO) -> None:
    structlog.get_logger("x").debug("quiet")
    logging.getLogger("library").debug("quiet")

    assert lines.getvalue() == ""


def test_a_librarys_line_goes_the_same_way(lines: io.StringIO) -> None:
    logging.getLogger("library").warning("Bearer %s", MARKER)

    (line,) = parsed(lines)
    assert (line["logger"], line["level"]) == ("library", "warning")
    assert MARKER not in lines.getvalue()


def test_a_librarys_exception_is_described_without_text(lines: io.StringIO) -> None:
    try:
        int(MARKER)
    except ValueError:
        logging.getLogger("library").exception("failed")
        structlog.get_logger("x").exception("failed")

    assert [line["failure"]["type"] for line in parsed(lines)] == ["ValueError", "ValueError"]
    assert MARKER not in lines.getvalue()


def test_the_request_id_is_on_every_line_of_the_request(lines: io.StringIO) -> None:
    with bind_request_id("req-1"):
        structlog.get_logger("x").info("inside")
        assert current_request_id() == "req-1"
    structlog.get_logger("x").info("outside")

    assert [line.get("request_id") for line in parsed(lines)] == ["req-1", None]


async def test_an_error_that_nobody_awaited_is_logged_without_text(lines: io.StringIO) -> None:
    loop = asyncio.get_running_loop()
    log_lost_exceptions(loop)
    try:
        loop.call_exception_handler({"message": MARKER, "exception": KeyError(MARKER)})
    finally:
        loop.set_exception_handler(None)

    (line,) = parsed(lines)
    assert line["failure"]["type"] == "KeyError"
    assert MARKER not in lines.getvalue()
