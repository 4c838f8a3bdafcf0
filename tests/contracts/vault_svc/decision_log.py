"""What every DecisionLog promises. Subclasses give `log` and `written`, what it wrote."""

from collections.abc import Callable

from vault_svc.ports.decisions import Answer, DecisionLog, DecryptRecord

Written = Callable[[], list[dict[str, object]]]


def a_record(answer: Answer = Answer.GRANTED) -> DecryptRecord:
    return DecryptRecord(
        service_identity="billing",
        claimed_identity="says-billing",
        subject="access-policy:1",
        namespace="team-a",
        name="db-password",
        answer=answer,
        reason="a reason",
        version=3,
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
                "name": "db-password",
                "decision": "granted",
                "reason": "a reason",
                "version": 3,
            }.items()
        )
