"""Bad input from outside: it is refused, nothing is echoed, nothing ails.

What breaks a rule of the API only is in rules.py.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import grpc
import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.stack import MARK, Stack, a_canary, a_secure_value

SECRET = f"{MARK}-never-echoed"


def body(**changes: Any) -> dict[str, Any]:
    """A valid body but for the changes; `metadata_…` and `spec_…` say where."""
    whole = a_secure_value("bad-input", SECRET)
    for key, value in changes.items():
        part, _, field = key.partition("_")
        whole[part][field] = value
    return whole


UNREADABLE = {
    "malformed JSON": f'{{"spec": {{"value": "{SECRET}"',
    "a repeated key": f'{{"spec": {{"value": "{SECRET}", "value": "{SECRET}"}}}}',
    "depth 10000": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "a list instead of an object": f'["{SECRET}"]',
    "a number as the value": json.dumps(body(spec_value=12345)),
    "a text as the decrypters": json.dumps(body(spec_decrypters=SECRET)),
    "NUL in the name": json.dumps(body(metadata_name="a\0b")),
    "half of a surrogate pair": '{"spec": {"value": "\\ud800"}}',
}


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx2.Client]:
    with stack.http() as client:
        yield client
        name = f"after-{time.monotonic_ns()}"
        after = client.post(f"{stack.url}/securevalues", json=a_secure_value(name, a_canary()))
        assert after.status_code == 201


@pytest.mark.parametrize("case", UNREADABLE, ids=str)
def test_a_body_that_cannot_be_read_is_a_bad_request(
    stack: Stack, http: httpx2.Client, case: str
) -> None:
    answer = http.post(
        f"{stack.url}/securevalues",
        content=UNREADABLE[case].encode(),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code in {400, 422}
    assert answer.json()["kind"] == "Status"
    assert answer.json()["message"]
    assert MARK not in answer.text


def test_a_body_beyond_the_bound_is_cut_off(stack: Stack, http: httpx2.Client) -> None:
    answer = http.post(
        f"{stack.url}/securevalues",
        content=b'{"a": "' + b"x" * 8_000_000,
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 413


def test_a_truncated_message_is_an_invalid_argument(stack: Stack) -> None:
    assert raw_call(stack, b"\x0a\x7fshort") is grpc.StatusCode.INVALID_ARGUMENT


def raw_call(stack: Stack, message: bytes) -> grpc.StatusCode:
    """The status of a decrypt whose request is these bytes."""
    path = "/decryptv1beta1.SecureValueDecrypter/DecryptSecureValues"
    token = (("x-access-token", stack.info["tokens"]["decrypter"]),)
    credentials = grpc.ssl_channel_credentials(stack.ca)
    with grpc.secure_channel(stack.info["vault"], credentials) as channel:
        send: Any = channel.unary_unary(path)
        call = send.future(message, metadata=token, timeout=5)
        code: grpc.StatusCode = call.code()
    return code


def test_more_names_than_a_call_may_ask_for_are_refused(stack: Stack) -> None:
    assert stack.decrypt([f"n{n}" for n in range(1001)]) == {"": {"status": "INVALID_ARGUMENT"}}


def good_claims(stack: Stack) -> dict[str, Any]:
    token = stack.info["tokens"]["admin"]
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def hostile_tokens(stack: Stack) -> dict[str, str]:
    """Tokens that an attacker can make without the issuer's key."""
    claims = good_claims(stack)
    header = jwt.get_unverified_header(stack.info["tokens"]["admin"])
    public = stack.issuer_public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = jwt.encode(claims, a_key(), algorithm="ES256", headers=header)
    kid = {"kid": "../../../../etc/passwd"}
    jku = {"jku": "https://attacker.invalid/jwks.json"}
    return {
        "another key": signed,
        "alg none": unsigned(header | {"alg": "none"}, claims),
        "HS256 by the public key": hmac_signed(header | {"alg": "HS256"}, claims, public),
        "a hostile kid": jwt.encode(claims, a_key(), algorithm="ES256", headers=header | kid),
        "a hostile jku": jwt.encode(claims, a_key(), algorithm="ES256", headers=header | jku),
        "a cut signature": stack.info["tokens"]["admin"][:-8],
    }


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{segment(header)}.{segment(claims)}."


def hmac_signed(header: dict[str, Any], claims: dict[str, Any], key: bytes) -> str:
    signed = f"{segment(header)}.{segment(claims)}"
    mac = hmac.digest(key, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def segment(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_no_hostile_token_gets_in(stack: Stack, http: httpx2.Client) -> None:
    answers = {}
    for case, token in hostile_tokens(stack).items():
        with stack.http(token) as hostile:
            answer = hostile.get(f"{stack.url}/securevalues")
        echoed = token in answer.text
        answers[case] = (answer.status_code, answer.json()["reason"], echoed)

    assert set(answers.values()) == {(401, "Unauthorized", False)}, answers


def test_an_expired_token_does_not_get_in(stack: Stack, http: httpx2.Client) -> None:
    # The verifier allows 60 s of clock difference, so the token is made old, not waited for.
    expired = stack.mint(good_claims(stack) | {"iat": 1, "nbf": 1, "exp": 100})

    with stack.http(expired) as late:
        assert late.get(f"{stack.url}/securevalues").status_code == 401


def test_a_token_for_another_audience_does_not_get_in(stack: Stack) -> None:
    astray = stack.mint(good_claims(stack) | {"aud": ["another.service"]})

    with stack.http(astray) as http:
        assert http.get(f"{stack.url}/securevalues").status_code == 401
