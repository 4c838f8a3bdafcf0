"""The issuers file and key sets."""

import json
from pathlib import Path
from typing import Any

import pytest

from chassis.issuers import Issuer, IssuersFileError, load_issuers
from chassis.jwks import KeySetError, parse_key_set
from tests.unit.chassis.tokens import generate, jwk, key_set

GOOD: dict[str, Any] = {
    "issuer": "https://issuer.example",
    "audiences": ["api"],
    "algorithm": "ES256",
    "jwks_file": "jwks.json",
    "namespaces": ["*"],
}
KEY = generate("ES256")


def load(tmp_path: Path, *entries: Any) -> tuple[Issuer, ...]:
    file = tmp_path / "issuers.json"
    file.write_text(json.dumps({"issuers": entries}))
    return load_issuers(file)


def test_an_issuer_is_read_and_what_is_not_written_is_not_allowed(tmp_path: Path) -> None:
    (issuer,) = load(tmp_path, GOOD)

    assert issuer == Issuer(
        issuer="https://issuer.example",
        audiences=frozenset({"api"}),
        algorithm="ES256",
        jwks_file=tmp_path / "jwks.json",
        namespaces=frozenset({"*"}),
    )
    assert not issuer.roles | issuer.actions | issuer.service_identities
    assert not issuer.may_grant_decrypt
    assert issuer.may_name("user:u1")  # files of earlier releases bound no subjects


@pytest.mark.parametrize(
    ("bounds", "allowed"),
    [
        (["*"], {"user:u1", "user:u2", "u"}),
        (["user:u1"], {"user:u1"}),
        (["user:*"], {"user:u1", "user:u2"}),
        (["u", "user:u2"], {"u", "user:u2"}),
        ([], set()),
    ],
    ids=["any", "exact", "prefix", "several", "none"],
)
def test_an_issuer_names_the_subjects_that_its_bounds_list(
    tmp_path: Path, bounds: list[str], allowed: set[str]
) -> None:
    (issuer,) = load(tmp_path, GOOD | {"subjects": bounds})

    assert {s for s in ("user:u1", "user:u2", "u") if issuer.may_name(s)} == allowed


PROBLEMS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"namespace": ["x"]}, "unknown key 'namespace'"),
    "symmetric algorithm": ({"algorithm": "HS256"}, "algorithm must be one of"),
    "no algorithm": ({"algorithm": None}, "algorithm must be one of"),
    "algorithm of another type": ({"algorithm": ["ES256"]}, "algorithm must be one of"),
    "no audience": ({"audiences": []}, "audiences must be"),
    "audiences as text": ({"audiences": "api"}, "audiences must be"),
    "namespaces as text": ({"namespaces": "*"}, "namespaces must be a list"),
    "roles of numbers": ({"roles": [1]}, "roles must be a list"),
    "subjects as text": ({"subjects": "*"}, "subjects must be a list"),
    "subjects with a pattern inside": ({"subjects": ["user:*1"]}, "subjects may have"),
    "issuer with a line break": ({"issuer": "a\nb"}, "issuer must be"),
    "blank issuer": ({"issuer": " "}, "issuer must be"),
    "decrypt as text": ({"may_grant_decrypt": "true"}, "may_grant_decrypt must be"),
    "two sources": ({"jwks_url": "https://x.example/k"}, "exactly one of jwks_file and"),
    "plain http": ({"jwks_file": None, "jwks_url": "http://x.example/k"}, "an https URL"),
    "url with password": (
        {"jwks_file": None, "jwks_url": "https://u:p@x.example/k"},
        "an https URL",
    ),
    "url without host": ({"jwks_file": None, "jwks_url": "https:///k"}, "an https URL"),
    "a proxy that is no URL": (
        {"jwks_file": None, "jwks_url": "https://x.example/k", "jwks_proxy": "proxy:3128"},
        "jwks_proxy must be an http or https URL",
    ),
    "a password for the proxy": (
        {"jwks_file": None, "jwks_url": "https://x.example/k", "jwks_proxy": "http://u:p@x:1"},
        "jwks_proxy must be an http or https URL",
    ),
    "proxy without url": ({"jwks_proxy": "http://x:1"}, "jwks_proxy goes with jwks_url"),
    "ca without url": ({"jwks_ca": "ca.pem"}, "jwks_ca goes with jwks_url"),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_each_problem_is_told(tmp_path: Path, case: str) -> None:
    changed, problem = PROBLEMS[case]
    entry = {name: value for name, value in (GOOD | changed).items() if value is not None}

    with pytest.raises(IssuersFileError, match=problem):
        load(tmp_path, entry)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(IssuersFileError) as caught:
        load(tmp_path, GOOD | {"algorithm": "none"}, {"x": 1}, "issuer")

    told = " ".join(caught.value.problems)
    assert all(f"issuers[{index}]" in told for index in range(3))


def test_an_issuer_twice_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(IssuersFileError, match="two entries"):
        load(tmp_path, GOOD, GOOD)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"issuers": []}', '{"a": 1}', "{" * 9999])
def test_what_is_no_issuers_file_is_a_problem(tmp_path: Path, content: str) -> None:
    file = tmp_path / "issuers.json"
    file.write_text(content)

    with pytest.raises(IssuersFileError):
        load_issuers(file)


def test_keys_of_other_kinds_are_passed_over() -> None:
    others = [jwk(generate("RS256"), "r", "RS256"), jwk(KEY, "e") | {"use": "enc"}]

    assert set(parse_key_set(key_set(*others, jwk(KEY, "k1")), "ES256").keys) == {"k1"}


PUBLIC = jwk(KEY, "k1")
BROKEN: dict[str, bytes] = {
    "no JSON": b"{",
    "no object": b"[]",
    "no list": b'{"keys": {}}',
    "a private key": key_set(PUBLIC | {"d": "AA"}),
    "a symmetric key": key_set(PUBLIC, {"kty": "oct", "k": "AA", "kid": "s"}),
    "an id twice": key_set(PUBLIC, jwk(generate("ES256"), "k1")),
    "not on the curve": key_set(PUBLIC | {"x": PUBLIC["y"]}),
    "a short coordinate": key_set(PUBLIC | {"x": "AA"}),
    "an entry of another type": b'{"keys": [1]}',
    "too many": key_set(*[PUBLIC] * 65),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_key_set_is_refused(case: str) -> None:
    with pytest.raises(KeySetError):
        parse_key_set(BROKEN[case], "ES256")


USELESS: dict[str, bytes] = {
    "empty": key_set(),
    "only other kinds": key_set(jwk(generate("RS256"), "r", "RS256")),
    "without ids": key_set({name: PUBLIC[name] for name in PUBLIC if name != "kid"}),
}


@pytest.mark.parametrize("case", USELESS)
def test_a_key_set_without_a_usable_key_is_taken_at_its_word(case: str) -> None:
    assert parse_key_set(USELESS[case], "ES256").keys == {}


def test_a_short_rsa_key_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415  # only here

    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # refused below

    with pytest.raises(KeySetError, match="2048"):
        parse_key_set(key_set(jwk(weak, "k1", "RS256")), "RS256")
