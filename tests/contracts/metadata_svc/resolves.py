"""What resolving decides, for one question and for many in one request."""

import pytest

from chassis.errors import InvalidArgumentError
from metadata_svc.domain.access import Decision
from metadata_svc.use_cases.resolve import Question
from tests.contracts.metadata_svc.application import Application
from tests.fakes.metadata_svc.builders import NAMESPACE, a_draft

ALLOWED, NOT_AUTHORIZED = Decision.ALLOWED, Decision.NOT_AUTHORIZED
NOT_FOUND = Decision.NOT_FOUND


class ResolvesContract:
    async def test_each_name_is_resolved_in_the_order_asked(
        self, application: Application
    ) -> None:
        live = await application.create(a_draft(name="a", decrypters=("k6",)))
        await application.create(a_draft(name="b", decrypters=("sm",)))
        asked = ["*", "b", "a", "c", "a", "a\x00", "", "a b", "b\n"]

        (found,) = await application.names.resolve([Question(NAMESPACE, asked, "k6")])

        assert [r.decision for r in found] == [
            *(NOT_FOUND, NOT_AUTHORIZED, ALLOWED, NOT_FOUND, ALLOWED),
            *(NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND),
        ]
        where = [r.location and (r.location.value_id, r.location.version) for r in found]
        assert where[2] == where[4] == (live.value_id, 1)
        assert where.count(None) == len(asked) - 2

    async def test_the_same_name_is_decided_for_each_question_by_itself(
        self, application: Application
    ) -> None:
        here = await application.create(a_draft(name="a", decrypters=("k6",)))
        there = await application.create(
            a_draft(namespace="other", name="a", decrypters=("sm",))
        )
        asked = {
            (NAMESPACE, "k6"): here.value_id,
            (NAMESPACE, "sm"): NOT_AUTHORIZED,
            ("other", "k6"): NOT_AUTHORIZED,
            ("other", "sm"): there.value_id,
            ("nowhere", "k6"): NOT_FOUND,
        }
        questions = [Question(namespace, ["a"], identity) for namespace, identity in asked]

        answers = await application.names.resolve(questions)

        told = [r.location.value_id if r.location else r.decision for (r,) in answers]
        assert told == list(asked.values())

    async def test_a_question_that_breaks_a_rule_is_not_answered_and_the_others_are(
        self, application: Application
    ) -> None:
        await application.create(a_draft(name="a", decrypters=("k6",)))
        asked = [
            Question(NAMESPACE, ["a"], ""),
            Question(NAMESPACE, ["a"], "k6"),
            Question(NAMESPACE, ["a"], " \t"),
            Question("org-1\x00", ["a"], "k6"),
            Question(NAMESPACE, [], "k6"),
            Question(NAMESPACE, ["a"], "k6 "),
        ]

        answers = await application.names.resolve(asked)

        told = [[r.decision for r in answer] for answer in answers]
        assert told == [[], [ALLOWED], [], [NOT_FOUND], [], [NOT_AUTHORIZED]]

    async def test_one_request_asks_for_1000_names_at_most(
        self, application: Application
    ) -> None:
        halves = [Question(NAMESPACE, ["a"] * 500, identity) for identity in ("k6", "sm")]

        assert [len(a) for a in await application.names.resolve(halves)] == [500, 500]
        with pytest.raises(InvalidArgumentError):
            await application.names.resolve([*halves, Question(NAMESPACE, ["a"], "k6")])
        with pytest.raises(InvalidArgumentError):
            await application.names.resolve([Question(NAMESPACE, [], "k6")] * 1001)

    async def test_nothing_asked_is_nothing_answered(self, application: Application) -> None:
        assert await application.names.resolve([]) == []
