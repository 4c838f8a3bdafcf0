"""What every DecisionLog promises. Subclasses give `log` and `written`, what it wrote."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from vault_svc.ports.decisions import Answer, DecisionLog, DecryptRecord

Written = Callable[[], list[dict[str, object]]]


def a_record(
    answer: Answer = Answer.GRANTED,
    names: Sequence[str] = ("db-password", "db-user"),
    versions: Sequence[int] = (3, 1),
) -> DecryptRecord:
    return DecryptRecord(
        service_identity="billing",
        claimed_identity="says-billing",
        issuer="https://issuer.example",
        subject="access-policy:1",
        namespace="team-a",
        answer=answer,
        reason="a reason",
        names=names,
        versions=versions,
    )


class DecisionLogContract:
    async def test_every_decision_is_written_once_in_order(
        self, log: DecisionLog, written: Written
    ) -> None:
        for answer in Answer:
            await log.record([a_record(answer)])

        assert [entry["decision"] for entry in written()] == [
            "granted",
            "not found",
            "not authorized",
            "decryption failed",
        ]

    async def test_a_decision_says_who_asked_for_what_and_why(
        self, log: DecisionLog, written: Written
    ) -> None:
        await log.record([a_record()])

        (entry,) = written()
        assert (
            entry.items()
            >= {
                "identity": "billing",
                "claimed_identity": "says-billing",
                "subject": "access-policy:1",
                "namespace": "team-a",
                "names": ["db-password", "db-user"],
                "decision": "granted",
                "reason": "a reason",
                "versions": [3, 1],
            }.items()
        )

    async def test_however_many_names_each_is_written_once_with_its_version(
        self, log: DecisionLog, written: Written
    ) -> None:
        names = [f"n{number}" for number in range(250)]
        await log.record([a_record(names=names, versions=[*range(1, 251)])])

        entries: Any = written()
        assert [name for entry in entries for name in entry["names"]] == names
        assert [n for entry in entries for n in entry["versions"]] == [*range(1, 251)]

    async def test_decisions_on_one_call_are_recorded_together(
        self, log: DecisionLog, written: Written
    ) -> None:
        await log.record([a_record(names=["a"], versions=[1]), a_record(Answer.NOT_FOUND)])

        assert [entry["decision"] for entry in written()] == ["granted", "not found"]

    async def test_a_decision_is_on_record_though_its_caller_goes_away(
        self, log: DecisionLog, written: Written
    ) -> None:
        recording = asyncio.ensure_future(log.record([a_record()]))
        await asyncio.sleep(0)
        recording.cancel()
        await asyncio.wait((recording,))

        assert len(written()) == 1
