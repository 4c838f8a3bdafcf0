"""Every error a request can end in has its one answer."""

from typing import Any

import pytest

import chassis.errors
import gateway.errors
from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FieldViolation,
    InvalidArgumentError,
    KnownError,
    NotFoundError,
    PermissionDeniedError,
    Rule,
    UnavailableError,
)
from gateway.errors import HttpError, MethodNotAllowedError
from gateway.kinds import SECURE_VALUE, Target
from gateway.status import CAUSES, REASONS, failure_of

TARGET = Target(kind=SECURE_VALUE, version="v1beta1", namespace="default", name="pg-main")


def classes_in(module: Any, base: type[Exception]) -> set[type[Exception]]:
    found = (value for value in vars(module).values() if isinstance(value, type))
    return {kind for kind in found if issubclass(kind, base) and kind is not base}


def test_both_vocabularies_are_in_the_table_whole() -> None:
    known = classes_in(chassis.errors, KnownError) | classes_in(gateway.errors, HttpError)

    assert set(REASONS) == known


def test_every_rule_has_a_cause() -> None:
    assert set(CAUSES) == set(Rule)


def answer(error: Exception, target: Target | None = TARGET) -> dict[str, Any]:
    return failure_of(error, target=target, request_id="r-1").body


def test_one_violation_reads_as_kubernetes_writes_it() -> None:
    violation = FieldViolation("spec.value", Rule.TOO_LONG, "must be at most 24576 bytes")

    assert answer(InvalidArgumentError(violations=(violation,))) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'SecureValue.secret.grafana.app "pg-main" is invalid: '
        "spec.value: Too long: must be at most 24576 bytes",
        "reason": "Invalid",
        "code": 422,
        "details": {
            "name": "pg-main",
            "group": "secret.grafana.app",
            "kind": "SecureValue",
            "causes": [
                {
                    "reason": "FieldValueTooLong",
                    "message": "Too long: must be at most 24576 bytes",
                    "field": "spec.value",
                }
            ],
        },
    }


def test_several_violations_are_one_bracketed_message() -> None:
    violations = (
        FieldViolation("spec.description", Rule.REQUIRED, "is required"),
        FieldViolation("spec.decrypters.[1]", Rule.INVALID, "must not be blank"),
    )

    body = answer(InvalidArgumentError(violations=violations))

    assert body["message"].endswith(
        "is invalid: [spec.description: Required value: is required, "
        "spec.decrypters.[1]: Invalid value: must not be blank]"
    )
    assert len(body["details"]["causes"]) == 2


RESOURCE = 'securevalues.secret.grafana.app "pg-main"'


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NotFoundError("x"), 'securevalue.secret.grafana.app "pg-main" not found'),
        (AlreadyExistsError("x"), f"secure value already exists: {RESOURCE} already exists"),
        (PermissionDeniedError("may not read"), f"{RESOURCE} is forbidden: may not read"),
        (ConflictError("it moved"), f"Operation cannot be fulfilled on {RESOURCE}: it moved"),
    ],
)
def test_the_message_says_which_object(error: KnownError, message: str) -> None:
    assert answer(error)["message"] == message


@pytest.mark.parametrize("name", ["n" * 254, "a\nb", ""])
def test_what_cannot_be_a_name_is_not_repeated(name: str) -> None:
    target = Target(kind=SECURE_VALUE, version="v1", namespace="default", name=name)

    body = answer(PermissionDeniedError("no"), target)

    assert body["message"] == "securevalues.secret.grafana.app is forbidden: no"
    assert "name" not in body["details"]


@pytest.mark.parametrize(("rule", "is_shown"), [(Rule.FORBIDDEN, False), (Rule.INVALID, True)])
def test_a_name_that_repeats_a_value_is_not_repeated(rule: Rule, *, is_shown: bool) -> None:
    error = InvalidArgumentError(violations=(FieldViolation("metadata.name", rule, "no"),))

    body = answer(error)

    assert ("pg-main" in body["message"]) == is_shown
    assert ("name" in body["details"]) == is_shown


def test_a_bug_shows_the_request_id_and_nothing_else() -> None:
    failure = failure_of(ValueError("never-quoted"), target=TARGET, request_id="r-1")

    assert failure.reason.code == 500
    assert failure.body["message"] == "an internal error occurred; the request id is r-1"
    assert "never-quoted" not in str(failure)


def test_the_transports_own_text_is_not_shown() -> None:
    failure = failure_of(UnavailableError("10.1.2.3 refused"), target=None, request_id="r-1")

    assert failure.body["message"] == UnavailableError.default_message
    assert failure.headers == {"retry-after": "1"}


def test_a_refused_verb_lists_the_others() -> None:
    failure = failure_of(
        MethodNotAllowedError(allowed=("GET", "PUT")), target=TARGET, request_id="r-1"
    )

    assert failure.headers == {"allow": "GET, PUT"}
