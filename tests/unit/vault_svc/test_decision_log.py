"""Many callers' decisions, each on a line that is its own."""

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from chassis.log_level import LogLevel
from chassis.metrics import Metrics
from chassis.request_id import bind_request_id
from chassis.telemetry import MAX_LINE_BYTES, configure_logging
from chassis.token_claims import MAX_TEXT_CHARACTERS
from tests.contracts.vault_svc.decision_log import a_record
from tests.unit.chassis.logged import MARKER, TOKEN, logging_kept
from vault_svc.decision_log import (
    MAXIMUM_PHRASE_CHARACTERS,
    MAXIMUM_PHRASES,
    StructuredDecisionLog,
)
from vault_svc.ports.decisions import Answer, DecryptRecord
from vault_svc.use_cases.decrypt import MAXIMUM_NAMES


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    with logging_kept() as written:
        yield written.stream


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def log(stream: io.StringIO, metrics: Metrics) -> StructuredDecisionLog:
    return StructuredDecisionLog(metrics)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def claiming(identities: Sequence[str]) -> list[DecryptRecord]:
    return [a_record()._replace(claimed_identity=identity) for identity in identities]


async def test_decisions_that_differ_in_anything_are_told_apart(
    log: StructuredDecisionLog, stream: io.StringIO
) -> None:
    same = a_record()
    different = {
        "identity": same._replace(service_identity="other"),
        "claimed_identity": same._replace(claimed_identity="other"),
        "subject": same._replace(subject="other"),
        "namespace": same._replace(namespace="other"),
        "reason": same._replace(reason="other"),
    }
    for _ in range(2):
        for record in (same, *different.values()):
            await log.record([record])

    usual, *others = lines(stream)[: len(different) + 1]
    for name, line in zip(different, others, strict=True):
        changed = {field for field in usual if line[field] != usual[field]}
        assert changed - {"timestamp"} == {name}
        assert line[name] == "other"
    again = lines(stream)[len(different) + 1 :]
    assert [line | {"timestamp": ""} for line in again] == [
        line | {"timestamp": ""} for line in (usual, *others)
    ]


async def test_however_many_identities_are_claimed_only_so_many_phrases_are_kept(
    log: StructuredDecisionLog, stream: io.StringIO
) -> None:
    identities = [f"claims-{number}" for number in range(2 * MAXIMUM_PHRASES)]
    for record in claiming([*identities, *identities[:5]]):
        await log.record([record])

    assert len(log._phrases) == MAXIMUM_PHRASES
    assert [line["claimed_identity"] for line in lines(stream)] == [
        *identities,
        *identities[:5],
    ]


async def test_a_phrase_of_any_length_is_said_and_only_a_short_one_kept(
    log: StructuredDecisionLog, stream: io.StringIO
) -> None:
    long = "x" * (MAXIMUM_PHRASE_CHARACTERS + 1)

    await log.record([a_record()._replace(subject=long)])

    assert len(log._phrases) == 0
    assert [line["subject"] for line in lines(stream)] == [long]


@pytest.mark.parametrize("times", [1, 2])
async def test_no_credential_that_a_caller_sends_is_logged(
    log: StructuredDecisionLog, stream: io.StringIO, times: int
) -> None:
    sent = [
        a_record(names=["a", f"bearer {MARKER}"]),
        a_record()._replace(claimed_identity=TOKEN),
        a_record()._replace(namespace=f"password={MARKER}"),
    ]
    for record in sent * times:
        with bind_request_id(TOKEN):
            await log.record([record])

    assert len(lines(stream)) == len(sent) * times
    assert MARKER not in stream.getvalue()


@pytest.mark.parametrize(
    "name", ["\ud800", "n\u00e4me", "x" * 5_000, "UPPER", "a/b", "a b", "a" * 254], ids=ascii
)
async def test_a_name_that_nothing_can_have_is_counted_and_not_written(
    log: StructuredDecisionLog, stream: io.StringIO, metrics: Metrics, name: str
) -> None:
    await log.record([a_record(Answer.NOT_FOUND, ["a", name, "b"], [1, 2, 2**70])])

    (line,) = lines(stream)
    assert (line["names"], line["versions"], line["malformed_names"]) == (
        ["a", "b"],
        [1, 2**70],
        1,
    )
    assert 'answer="not_found"} 3.0' in metrics.exposition().decode()


async def test_names_that_could_be_names_are_all_written_beside_malformed_ones(
    log: StructuredDecisionLog, stream: io.StringIO
) -> None:
    possible = [f"{number:0253}" for number in range(250)]
    names = [text for name in possible for text in (name, name.upper() + "X" * 747)]

    await log.record([a_record(Answer.NOT_FOUND, names, [0] * len(names))])

    written = lines(stream)
    assert [name for line in written for name in line["names"]] == possible
    assert sum(line.get("malformed_names", 0) for line in written) == 250
    assert all(len(line["names"]) == len(line["versions"]) for line in written)


async def test_a_call_of_nothing_but_malformed_names_is_one_short_line(
    log: StructuredDecisionLog, stream: io.StringIO
) -> None:
    names = [f"{number}".rjust(1_000, "X") for number in range(1_000)]

    await log.record([a_record(Answer.NOT_AUTHORIZED, names, [0] * 1_000)])

    (line,) = lines(stream)
    assert (line["names"], line["malformed_names"]) == ([], 1_000)
    assert len(stream.getvalue()) < 1_000


@pytest.mark.parametrize("field", ["namespace", "claimed_identity"])
@pytest.mark.parametrize("text", ["x" * 5_000, "a b", "\u00e4", "a\nb"], ids=ascii)
async def test_what_cannot_be_a_namespace_or_an_identity_is_not_written(
    log: StructuredDecisionLog, stream: io.StringIO, field: str, text: str
) -> None:
    changed: dict[str, Any] = {field: text}
    await log.record([a_record()._replace(**changed)])

    (line,) = lines(stream)
    assert line[field] == "(malformed)"


async def test_the_lines_of_the_largest_call_are_bounded_each_and_together(
    log: StructuredDecisionLog, stream: io.StringIO
) -> None:
    widest = "\U0001f600" * MAX_TEXT_CHARACTERS  # twelve bytes each in a line of ASCII
    names = [f"{number:0253}" for number in range(MAXIMUM_NAMES)]
    record = a_record(Answer.NOT_AUTHORIZED, names, [2**63 - 1] * MAXIMUM_NAMES)

    await log.record([record._replace(subject=widest, service_identity=widest)])

    written = stream.getvalue()
    assert [name for line in lines(stream) for name in line["names"]] == names
    assert max(map(len, written.splitlines())) < MAX_LINE_BYTES
    assert len(written) < 2**20


async def test_only_what_does_not_open_is_an_error(
    log: StructuredDecisionLog, stream: io.StringIO
) -> None:
    for answer in Answer:
        await log.record([a_record(answer)])

    assert [line["level"] for line in lines(stream)] == ["info", "info", "info", "error"]


async def test_names_are_counted_by_answer(
    log: StructuredDecisionLog, metrics: Metrics
) -> None:
    await log.record([a_record()])
    await log.record([a_record(Answer.NOT_FOUND, names=["a"], versions=[0])])

    exposition = metrics.exposition().decode()
    assert 'vault_decrypt_decisions_total{answer="granted"} 2.0' in exposition
    assert 'vault_decrypt_decisions_total{answer="not_found"} 1.0' in exposition


@pytest.mark.parametrize("level", LogLevel)
@pytest.mark.parametrize("answer", Answer)
async def test_a_decision_is_on_record_at_every_setting_of_the_level(
    metrics: Metrics, level: LogLevel, answer: Answer
) -> None:
    with logging_kept() as written:
        configure_logging("vault", level, written.stream)

        await StructuredDecisionLog(metrics).record([a_record(answer)])

        (line,) = lines(written.stream)
        assert (line["event"], line["decision"]) == ("decrypt", answer.value)
