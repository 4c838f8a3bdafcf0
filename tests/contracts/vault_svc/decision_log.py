"""What every DecisionLog promises. Subclasses give `log` and `written`, what it wrote."""

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
        subject="access-policy:1",
        namespace="team-a",
        answer=answer,
        reason="a reason",
        names=names,
        versions=versions,
    )


class DecisionLogContract:
    def test_every_decision_is_written_once_in_order(
        self, log: DecisionLog, written: Written
    ) -> None:
        for answer in Answer:
            log.record(a_record(answer))

        assert [entry["decision"] for entry in written()] == [
            "granted",
            "not found",
            "not authorized",
            "decryption failed",
        ]

    def test_a_decision_says_who_asked_for_what_and_why(
        self, log: DecisionLog, written: Written
    ) -> None:
        log.record(a_record())

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

    def test_however_many_names_each_is_written_once_with_its_version(
        self, log: DecisionLog, written: Written
    ) -> None:
        names = [f"n{number}" for number in range(250)]
        log.record(a_record(names=names, versions=[*range(1, 251)]))

        entries: Any = written()
        assert [name for entry in entries for name in entry["names"]] == names
        assert [n for entry in entries for n in entry["versions"]] == [*range(1, 251)]
