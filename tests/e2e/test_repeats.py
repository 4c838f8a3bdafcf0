"""Creates that are sent again, and texts that repeat a value, through the whole stack."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.e2e.stack import Stack, a_canary, a_secure_value, execute


def post(stack: Stack, kind: str, body: Any, key: str, token: str | None = None) -> Any:
    with stack.http(token) as http:
        return http.post(f"{stack.url}/{kind}", json=body, headers={"Idempotency-Key": key})


def generated(prefix: str, value: str) -> dict[str, Any]:
    body = a_secure_value("", value)
    body["metadata"] = {"generateName": prefix}
    return body


def causes(answer: httpx2.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.status_code
    assert answer.json()["reason"] == "Invalid"
    return [(c["field"], c["reason"]) for c in answer.json()["details"]["causes"]]


def test_a_create_sent_again_under_its_key_happens_once(stack: Stack) -> None:
    body = generated("sent-again-", a_canary())

    first = post(stack, "securevalues", body, "e2e-again")
    again = post(stack, "securevalues", body, "e2e-again")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    name = first.json()["metadata"]["name"]
    assert stack.delete(name).status_code == 200
    assert post(stack, "securevalues", body, "e2e-again").json() == first.json()


def test_16_equal_creates_at_once_make_one_object(stack: Stack) -> None:
    body = generated("at-once-", a_canary())

    with ThreadPoolExecutor(16) as threads:
        answers = list(
            threads.map(lambda _: post(stack, "securevalues", body, "e2e-16"), range(16))
        )

    assert {answer.status_code for answer in answers} == {201}
    assert [answer.json() for answer in answers] == [answers[0].json()] * 16


def test_another_create_under_the_key_names_the_header(stack: Stack) -> None:
    post(stack, "securevalues", generated("other-", a_canary()), "e2e-other")

    for body in (generated("other-", a_canary()), generated("another-", a_canary())):
        answer = post(stack, "securevalues", body, "e2e-other")
        assert causes(answer) == [("Idempotency-Key", "FieldValueInvalid")]


def test_a_reader_is_not_told_what_another_made(stack: Stack) -> None:
    body = generated("not-told-", a_canary())
    post(stack, "securevalues", body, "e2e-reader")

    answer = post(stack, "securevalues", body, "e2e-reader", stack.info["tokens"]["reader"])

    assert answer.status_code == 403


def test_a_keeper_sent_again_is_made_once(stack: Stack) -> None:
    role = {"assumeRoleArn": "arn:aws:iam::1:role/x", "externalID": "e"}
    spec = {"description": "d", "aws": {"region": "eu-central-1", "assumeRole": role}}
    body = {"metadata": {"generateName": "kp-"}, "spec": spec}

    first = post(stack, "keepers", body, "e2e-keeper")

    assert first.status_code == 201
    assert post(stack, "keepers", body, "e2e-keeper").json() == first.json()
    other = {**body, "spec": {**spec, "description": "another"}}
    answer = post(stack, "keepers", other, "e2e-keeper")
    assert causes(answer) == [("Idempotency-Key", "FieldValueInvalid")]


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ({"annotations": {"note": "it is VALUE!"}}, "metadata.annotations"),
        ({"labels": {"note": "VALUE"}}, "metadata.labels"),
    ],
    ids=["annotation", "label"],
)
def test_a_text_that_contains_the_value_is_refused_by_its_field(
    stack: Stack, where: dict[str, dict[str, str]], field: str
) -> None:
    value = a_canary()[:60]
    body = a_secure_value("verbatim", value)
    for name, pairs in where.items():
        body["metadata"][name] = {k: t.replace("VALUE", value) for k, t in pairs.items()}

    with stack.http() as http:
        answers = [
            http.post(f"{stack.url}/securevalues", json=body),
            http.post(f"{stack.url}/securevalues?dryRun=All", json=body),
        ]

    for answer in answers:
        assert causes(answer) == [(field, "FieldValueForbidden")]
        assert value not in answer.text


def test_the_vault_of_a_stack_keeps_fingerprint_keys_wrapped(stack: Stack) -> None:
    post(stack, "securevalues", generated("wrapped-", a_canary()), "e2e-wrapped")

    rows = execute(
        stack.info["dsn"]["vault"],
        "SELECT get_byte(wrapped_key, 0) AS format, octet_length(wrapped_key) AS size "
        "FROM data_keys WHERE purpose = 'fingerprint' AND namespace = 'default'",
    )
    assert [(row["format"], row["size"]) for row in rows] == [(0x41, 61)]
