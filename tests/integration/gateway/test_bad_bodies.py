"""Hostile or broken bodies, over real sockets: the right status, and a server that goes on."""

import json
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fakes.gateway.services import ADMIN
from tests.integration.gateway.conftest import VALUES, Gateway
from tests.integration.gateway.raw_http import is_status, posting

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARK = "never-to-be-seen-5f1c"


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def the_next_good_request_works(gateway: Gateway) -> AsyncIterator[None]:
    yield
    async with gateway.http() as http:
        answer = await http.get(VALUES)
    assert answer.status_code == 200


BODIES: dict[str, bytes] = {
    "malformed": b'{"spec": {"value": "' + MARK.encode(),
    "depth 10000": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "depth 65": b'{"a":' * 65 + b"1" + b"}" * 65,
    "a list": b'["%s"]' % MARK.encode(),
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "a huge exponent": b'{"a": 1e999}',
    "a huge integer": b'{"a": ' + b"9" * 5000 + b"}",
    "a lone surrogate": b'{"spec": {"value": "\\ud800"}}',
    "half a surrogate as a key": b'{"\\udfff": 1}',
    "not UTF-8": b'{"spec": {"value": "\xff"}}',
    "UTF-16": json.dumps({"a": 1}).encode("utf-16"),
    "a raw NUL": b'{"spec": {"value": "a\0b"}}',
    "too many values": b'{"a": [' + b"0," * 30_000 + b"0]}",
    "empty": b"",
    "a number as the value": b'{"spec": {"value": 5}}',
    "a text as the decrypters": b'{"spec": {"decrypters": "%s"}}' % MARK.encode(),
    "a number among the labels": b'{"metadata": {"labels": {"a": 1}}}',
    "a list as the spec": b'{"spec": ["%s"]}' % MARK.encode(),
    "another kind": b'{"kind": "Keeper"}',
    "another version": b'{"apiVersion": "secret.grafana.app/v1"}',
    "another namespace": b'{"metadata": {"namespace": "other"}}',
    "a resourceVersion on create": b'{"metadata": {"resourceVersion": "1"}}',
}


@pytest.mark.parametrize("case", BODIES)
async def test_a_body_that_cannot_be_meant_is_a_bad_request(
    gateway: Gateway, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    _, received = await gateway.exchange(posting(BODIES[case], b"Connection: close"))

    assert is_status(received, 400)
    assert MARK.encode() not in received
    assert MARK not in caplog.text
    assert gateway.store.calls == []


async def test_a_wrong_type_is_named_with_what_is_expected(gateway: Gateway) -> None:
    body = BODIES["a text as the decrypters"]
    _, received = await gateway.exchange(posting(body, b"Connection: close"))

    assert b"spec.decrypters: must be a list of strings" in received


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        (b"text/plain", 415),
        (b"application/x-www-form-urlencoded", 415),
        (b"application/x-yaml", 415),
        (b"application/merge-patch+json", 415),
        (b"application/yaml", 422),
        (b"application/json; charset=latin-1", 415),
        (b"application/json; charset=UTF-8", 422),
        (b"APPLICATION/JSON", 422),
    ],
)
async def test_only_json_in_utf_8_is_read(
    gateway: Gateway, content_type: bytes, code: int
) -> None:
    header = b"Content-Type: " + content_type
    _, received = await gateway.exchange(posting(b"{}", header, b"Connection: close"))

    assert is_status(received, code)


async def test_a_compressed_body_is_not_read(gateway: Gateway) -> None:
    _, received = await gateway.exchange(posting(b"{}", b"Content-Encoding: gzip"))

    assert is_status(received, 415)


async def test_a_body_that_says_it_is_too_long_is_not_waited_for(gateway: Gateway) -> None:
    head = posting(b"").replace(b"Content-Length: 0", b"Content-Length: 99999999")

    _, received = await gateway.exchange(head)

    assert is_status(received, 413)


async def test_a_chunked_body_is_cut_off_at_the_bound(gateway: Gateway) -> None:
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    head = posting(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")

    _, received = await gateway.exchange(head + chunk * 20)

    assert is_status(received, 413)


async def test_a_body_sent_whole_before_the_answer_is_read_still_gets_its_413(
    gateway: Gateway,
) -> None:
    async with gateway.http() as http:
        answer = await http.post(VALUES, content=b'{"a": "' + b"a" * 3_000_000 + b'"}')

    assert (answer.status_code, answer.json()["reason"]) == (413, "RequestEntityTooLarge")
    assert answer.headers["connection"] == "close"


LONG = b'{"a": "' + b"a" * 3_000_000 + b'"}'


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"token": None}, 401, id="no credential"),
        pytest.param({"token": "no-token"}, 413, id="a credential that others check"),
        pytest.param({"path": "/no/such/path"}, 404, id="no such path"),
        pytest.param({"method": "PUT", "path": VALUES}, 405, id="no such method"),
        pytest.param({"kind": "text/plain"}, 415, id="another media type"),
        pytest.param({"encoding": "gzip"}, 415, id="compressed"),
        pytest.param({"path": f"{VALUES}?dryRun=some"}, 422, id="a wrong parameter"),
    ],
)
async def test_a_refusal_arrives_though_a_long_body_was_sent_before_it_is_read(
    gateway: Gateway, changes: dict[str, str | None], code: int
) -> None:
    headers = {"Content-Type": changes.get("kind") or "application/json"}
    if encoding := changes.get("encoding"):
        headers["Content-Encoding"] = encoding
    method, path = changes.get("method") or "POST", changes.get("path") or VALUES
    for _ in range(10):
        async with gateway.http(changes.get("token", ADMIN)) as http:
            answer = await http.request(method, path, content=LONG, headers=headers)

        assert answer.status_code == code


async def test_more_body_than_announced_is_no_second_request(gateway: Gateway) -> None:
    sent = posting(b'{"kind": 1}' + b"x" * 50).replace(b"Length: 61", b"Length: 11")

    _, received = await gateway.exchange(sent)

    assert received.count(b"HTTP/1.1 ") == received.count(b"HTTP/1.1 400")
    assert received.count(b"HTTP/1.1 ") >= 1


async def test_two_framings_of_one_body_are_refused(gateway: Gateway) -> None:
    sent = posting(b"{}", b"Transfer-Encoding: chunked")

    _, received = await gateway.exchange(sent)

    assert is_status(received, 400)
