"""Which tokens name a caller, and which do not."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.caller import Caller, Grant
from chassis.errors import UnauthenticatedError, UnavailableError
from chassis.jwks import SignatureError, parse_key_set
from chassis.jwt_verifier import JwtVerifier
from chassis.sensitive import Sensitive
from chassis.token_parsing import parse_token
from tests.unit.chassis.tokens import (
    ISSUER,
    NOW,
    SettableClock,
    claims,
    generate,
    hs256_with_public_key,
    issuer,
    jwk,
    key_set,
    part,
    publish,
    signed,
)

KEY = generate("ES256")
STAMP = int(NOW.timestamp())


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    file = tmp_path / "jwks.json"
    publish(file, jwk(KEY, "k1"))
    return file


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def verifier(jwks: Path, clock: SettableClock) -> JwtVerifier:
    return JwtVerifier([issuer(jwks)], clock)


def write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


async def refusal(verifier: JwtVerifier, token: str) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        await verifier.verify(Sensitive(token))
    return caught.value.message


async def caller(verifier: JwtVerifier, **changed: Any) -> Caller:
    return await verifier.verify(Sensitive(signed(KEY, claims(**changed))))


async def test_a_good_token_names_its_caller(verifier: JwtVerifier) -> None:
    named = await caller(
        verifier,
        roles=["Admin"],
        grants=[{"action": "thing:read", "scope": "thing:*"}],
        permissions=["other:use"],
        jti="t-1",
    )

    assert named == Caller(
        subject="service-account:1",
        namespace="team-a",
        roles=frozenset({"Admin"}),
        grants=(Grant("thing:read", "thing:*"),),
        permissions=frozenset({"other:use"}),
        service_identities=(),
        for_user=False,
        issuer=ISSUER,
        token_id="t-1",
        only_issuer=True,
    )


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "RS256", "EdDSA"])
async def test_each_algorithm_is_verified(tmp_path: Path, algorithm: str) -> None:
    key, file = generate(algorithm), tmp_path / "jwks.json"
    publish(file, jwk(key, "k1", algorithm))
    verifier = JwtVerifier([issuer(file, algorithm)], SettableClock())
    good = signed(key, claims(), algorithm=algorithm)
    forged = signed(generate(algorithm), claims(), algorithm=algorithm)

    assert (await verifier.verify(Sensitive(good))).subject == "service-account:1"
    assert await refusal(verifier, forged) == "the token's signature is not valid"


HOSTILE_HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "no kid": ({"kid": None}, "kid must be a string"),
    "kid of another type": ({"kid": 1}, "kid must be a string"),
    "long kid": ({"kid": "k" * 257}, "kid must be a string"),
    "kid that is a path": ({"kid": "../../dev/null"}, "kid is not one of"),
    "kid that is SQL": ({"kid": "' OR 1=1 --"}, "kid is not one of"),
    "jku": ({"jku": "https://evil.example/jwks"}, "must not have jku"),
    "jwk": ({"jwk": {"kty": "EC"}}, "must not have jwk"),
    "x5u": ({"x5u": "https://evil.example/x"}, "must not have x5u"),
    "x5c": ({"x5c": ["AA"]}, "must not have x5c"),
    "crit": ({"crit": ["exp"]}, "must not have crit"),
    "b64": ({"b64": False}, "must not have b64"),
    "zip": ({"zip": "DEF"}, "must not have zip"),
    "no typ": ({"typ": None}, "typ must be at+jwt"),
    "typ of an id token": ({"typ": "jwt"}, "typ must be at+jwt"),
    "typ of another type": ({"typ": ["at+jwt"]}, "typ must be at+jwt"),
    "alg none": ({"alg": "none"}, "alg is not its issuer's"),
    "alg of another spelling": ({"alg": "es256"}, "alg is not its issuer's"),
    "another alg": ({"alg": "ES384"}, "alg is not its issuer's"),
    "alg of another type": ({"alg": None}, "alg must be a string"),
}


@pytest.mark.parametrize("case", HOSTILE_HEADERS)
async def test_a_hostile_header_is_refused(verifier: JwtVerifier, case: str) -> None:
    header, rule = HOSTILE_HEADERS[case]

    assert rule in await refusal(verifier, signed(KEY, claims(), header=header))


async def test_an_unsigned_token_is_refused(verifier: JwtVerifier) -> None:
    header = json.dumps({"alg": "none", "typ": "at+jwt", "kid": "k1"}).encode()
    unsigned = f"{part(header)}.{part(json.dumps(claims()).encode())}."

    assert "compact form" in await refusal(verifier, unsigned)
    assert "alg" in await refusal(verifier, unsigned + "AA")


async def test_hs256_with_the_public_key_as_secret_is_refused(verifier: JwtVerifier) -> None:
    token = hs256_with_public_key(KEY, claims())

    assert await refusal(verifier, token) == "the token's alg is not its issuer's"


HOSTILE_CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown iss": ({"iss": "https://evil.example"}, "iss is not a trusted issuer"),
    "iss with a slash more": ({"iss": ISSUER + "/"}, "iss is not a trusted issuer"),
    "iss of another type": ({"iss": [ISSUER]}, "iss is not a trusted issuer"),
    "no iss": ({"iss": None}, "iss is not a trusted issuer"),
    "another audience": ({"aud": "other"}, "for another audience"),
    "no aud": ({"aud": None}, "aud must be"),
    "aud of another type": ({"aud": [1]}, "aud must be"),
    "no exp": ({"exp": None}, "exp is required"),
    "exp as text": ({"exp": "9999999999"}, "exp must be a number"),
    "exp as a truth value": ({"exp": True}, "exp must be a number"),
    "exp beyond all numbers": ({"exp": float("inf")}, "exp must be a number"),
    "exp far beyond": ({"exp": 1e300}, "exp must be a number"),
    "negative exp": ({"exp": -1}, "exp must be a number"),
    "expired": ({"exp": STAMP - 60}, "has expired"),
    "not yet valid": ({"nbf": STAMP + 61}, "not valid yet (nbf)"),
    "issued in the future": ({"iat": STAMP + 61}, "not valid yet (iat)"),
    "no sub": ({"sub": None}, "sub is required"),
    "blank sub": ({"sub": "  "}, "sub is required"),
    "sub of another type": ({"sub": 1}, "sub must be a string"),
    "sub with a line break": ({"sub": "a\nb"}, "sub must be a string"),
    "sub with half a surrogate": ({"sub": "\ud800"}, "payload is not one JSON"),
    "long sub": ({"sub": "a" * 513}, "sub must be a string"),
    "no namespace": ({"namespace": None}, "namespace is required"),
    "namespace of another type": ({"namespace": ["*"]}, "namespace must be a string"),
    "roles as text": ({"roles": "Admin"}, "roles must be a list"),
    "roles of another type": ({"roles": [1]}, "roles must be a list"),
    "a blank role": ({"roles": [" "]}, "roles must be a list"),
    "grants as an object": ({"grants": {"action": "a", "scope": "s"}}, "grants must be a list"),
    "a grant without scope": ({"grants": [{"action": "a"}]}, "grants must be a list"),
    "a grant with more": (
        {"grants": [{"action": "a", "scope": "s", "x": "y"}]},
        "grants must be a list",
    ),
    "a grant of numbers": ({"grants": [{"action": 1, "scope": 2}]}, "grants must be a list"),
    "permissions as text": ({"permissions": "x"}, "permissions must be a list"),
    "two service identities": (
        {"serviceIdentity": ["a", "b"]},
        "serviceIdentity must be a string",
    ),
    "act as text": ({"act": "user:1"}, "each act"),
    "act without sub": ({"act": {}}, "each act"),
    "roles and a service identity": (
        {"roles": ["Admin"], "serviceIdentity": "svc"},
        "must not have a serviceIdentity",
    ),
    "grants and a service identity": (
        {"grants": [{"action": "a", "scope": "s"}], "serviceIdentity": "svc"},
        "must not have a serviceIdentity",
    ),
}


@pytest.mark.parametrize("case", HOSTILE_CLAIMS)
async def test_a_hostile_claim_is_refused(verifier: JwtVerifier, case: str) -> None:
    changed, rule = HOSTILE_CLAIMS[case]
    payload = json.dumps(claims(**changed)).replace("Infinity", "1e400").encode()

    assert rule in await refusal(verifier, signed(KEY, payload))


async def test_a_claim_that_is_there_twice_is_refused(verifier: JwtVerifier) -> None:
    twice = json.dumps(claims()).replace("{", '{"namespace": "team-b", ', 1).encode()

    assert "payload is not one JSON object" in await refusal(verifier, signed(KEY, twice))


async def test_a_header_member_that_is_there_twice_is_refused(verifier: JwtVerifier) -> None:
    twice = b'{"alg": "ES256", "alg": "ES256", "typ": "at+jwt", "kid": "k1"}'

    assert "header" in await refusal(verifier, signed(KEY, claims(), header=twice))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "a.b.c",
        "é.é.é",
        "eyJ9.e30.AA\n",
        " a.b.c",
        "a" * 20_000,
        part(b"[" * 8_000) + "." + part(b"{}") + ".AA",
        part(b"{}") + "." + part(b"{}") + ".AA",
        part(b"\xff") + "." + part(b"{}") + ".AA",
    ],
    ids=lambda token: token[:12] or "empty",
)
async def test_what_is_no_token_is_refused(verifier: JwtVerifier, token: str) -> None:
    assert "token" in await refusal(verifier, token)


async def test_a_token_beyond_the_bound_is_refused_unread(verifier: JwtVerifier) -> None:
    token = signed(KEY, claims(padding="x" * 16_384))

    assert await refusal(verifier, token) == "the token is longer than 16384 characters"


async def test_a_signature_spelled_otherwise_is_refused(verifier: JwtVerifier) -> None:
    token = signed(KEY, claims())
    last = token[-1]
    other = next(c for c in "ABCDEFGHIJKLMNOP" if c not in {last, "A", "Q"})

    assert "canonical" in await refusal(verifier, token[:-1] + other)


@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_flipped_bit_never_parses_to_the_same_signed_bytes(place: int, flip: int) -> None:
    token = signed(KEY, claims())
    index = place % len(token)
    changed = token[:index] + chr(ord(token[index]) ^ flip) + token[index + 1 :]
    original = parse_token(token)
    try:
        parsed = parse_token(changed)
    except UnauthenticatedError:
        return

    assert (parsed.signed, parsed.signature) != (original.signed, original.signature)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "RS256", "EdDSA"])
def test_no_other_bytes_are_a_signature(algorithm: str) -> None:
    key = generate(algorithm)
    keys = parse_key_set(key_set(jwk(key, "k1", algorithm)), algorithm)

    @given(st.binary(max_size=300))
    def check(signature: bytes) -> None:
        with pytest.raises(SignatureError):
            keys.verify("k1", b"signed", signature)

    check()


@given(st.text())
def test_parsing_any_text_raises_one_error_only(text: str) -> None:
    try:
        parse_token(text)
    except UnauthenticatedError:
        return


async def test_a_refusal_quotes_nothing_of_the_token(verifier: JwtVerifier) -> None:
    marker = "marker-of-a-claim"
    messages = [
        await refusal(verifier, signed(KEY, claims(**{name: value})))
        for name, value in (
            ("iss", marker),
            ("aud", marker),
            ("exp", marker),
            ("roles", marker),
            ("sub", marker + "\n"),
        )
    ]

    assert not [message for message in messages if marker in message]


PERSONS: dict[str, dict[str, Any]] = {
    "typed subject": {"sub": "user:7"},
    "type": {"type": "user"},
    "identifier": {"identifier": "user:7"},
    "actor": {"act": {"sub": "user:7"}},
    "actor's type": {"act": {"sub": "x", "type": "user"}},
    "actor's actor": {"act": {"sub": "x", "act": {"sub": "user:7"}}},
    "shouted": {"sub": "USER:7"},
}


@pytest.mark.parametrize("case", PERSONS)
async def test_a_person_anywhere_makes_the_call_a_persons(
    verifier: JwtVerifier, case: str
) -> None:
    assert (await caller(verifier, **PERSONS[case])).for_user


async def test_a_chain_of_services_is_not_a_persons(verifier: JwtVerifier) -> None:
    chain = {"sub": "access-policy:1", "act": {"sub": "access-policy:2"}}

    assert not (await caller(verifier, act=chain)).for_user


async def test_a_chain_of_actors_is_bounded(verifier: JwtVerifier) -> None:
    chain: dict[str, Any] = {"sub": "x"}
    for _ in range(8):
        chain = {"sub": "x", "act": chain}

    assert "nested deeper" in await refusal(verifier, signed(KEY, claims(act=chain)))


BOUNDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "namespace": ({"namespaces": {"team-b"}}, {}),
    "every namespace": ({"namespaces": {"team-a"}}, {"namespace": "*"}),
    "no namespace at all": ({"namespaces": set()}, {}),
    "role": ({"roles": {"Viewer"}}, {"roles": ["Viewer", "Admin"]}),
    "subject": ({"subjects": {"user:*", "service-account:2"}}, {}),
    "no roles": ({"roles": set()}, {"roles": ["Admin"]}),
    "action": ({"actions": {"a:read"}}, {"grants": [{"action": "a:write", "scope": "a:*"}]}),
    "service identity": ({"service_identities": {"svc"}}, {"serviceIdentity": "other"}),
    "decryption": ({"may_grant_decrypt": False}, {"permissions": ["x/things:decrypt"]}),
    "decryption of one": ({"may_grant_decrypt": False}, {"permissions": ["x/t/n:Decrypt "]}),
}


@pytest.mark.parametrize("case", BOUNDS)
async def test_a_claim_beyond_the_issuers_bounds_is_refused(jwks: Path, case: str) -> None:
    bound, changed = BOUNDS[case]
    verifier = JwtVerifier([issuer(jwks, **bound)], SettableClock())

    assert "may not" in await refusal(verifier, signed(KEY, claims(**changed)))


async def test_claims_within_the_bounds_are_accepted(jwks: Path) -> None:
    bounds: dict[str, Any] = {
        "namespaces": {"team-a"},
        "roles": {"Viewer"},
        "actions": set(),
        "service_identities": set(),
        "may_grant_decrypt": False,
    }
    verifier = JwtVerifier([issuer(jwks, **bounds)], SettableClock())

    assert (await caller(verifier, roles=["Viewer"])).roles == {"Viewer"}


async def test_a_blank_service_identity_is_none(verifier: JwtVerifier) -> None:
    assert (await caller(verifier, serviceIdentity=" ")).service_identities == ()


async def test_a_service_identity_is_taken_as_it_is(verifier: JwtVerifier) -> None:
    assert (await caller(verifier, serviceIdentity="svc")).service_identities == ("svc",)


async def test_a_token_is_accepted_to_the_end_of_the_leeway_and_no_longer(
    verifier: JwtVerifier, clock: SettableClock
) -> None:
    token = Sensitive(signed(KEY, claims(exp=STAMP + 10)))
    await verifier.verify(token)
    clock.advance(69)
    await verifier.verify(token)
    clock.advance(1)

    with pytest.raises(UnauthenticatedError, match="expired"):
        await verifier.verify(token)


async def test_a_verified_token_is_remembered_however_often_its_keys_are_looked_at(
    verifier: JwtVerifier, clock: SettableClock
) -> None:
    """Or a stranger who uses up a budget of verifications would lock out those in use."""
    token = Sensitive(signed(KEY, claims(exp=STAMP + 7_200)))
    assert verifier.remembered(token) is None
    known = await verifier.verify(token)

    for _ in range(10):
        clock.advance(600)
        assert verifier.remembered(token) == known


async def test_a_remembered_token_is_forgotten_when_it_expires_or_its_key_is_gone(
    verifier: JwtVerifier, clock: SettableClock, jwks: Path
) -> None:
    expiring = Sensitive(signed(KEY, claims(exp=STAMP + 10)))
    lasting = Sensitive(signed(KEY, claims(exp=STAMP + 7_200)))
    for token in (expiring, lasting):
        await verifier.verify(token)
    clock.advance(70)
    assert verifier.remembered(expiring) is None
    assert verifier.remembered(lasting) is not None

    publish(jwks, jwk(generate("ES256"), "k2"))
    clock.advance(2)

    assert verifier.remembered(lasting) is None


async def test_a_key_taken_out_of_the_set_ends_its_tokens_at_once(
    verifier: JwtVerifier, clock: SettableClock, jwks: Path
) -> None:
    token = Sensitive(signed(KEY, claims()))
    await verifier.verify(token)

    publish(jwks, jwk(generate("ES256"), "k2"))
    clock.advance(2)

    with pytest.raises(UnauthenticatedError, match="kid"):
        await verifier.verify(token)


async def test_the_last_key_taken_out_ends_its_tokens_too(
    verifier: JwtVerifier, clock: SettableClock, jwks: Path
) -> None:
    token = Sensitive(signed(KEY, claims()))
    await verifier.verify(token)

    publish(jwks)
    clock.advance(2)

    with pytest.raises(UnauthenticatedError, match="kid"):
        await verifier.verify(token)


async def test_keys_whose_file_stays_broken_are_used_for_an_hour_and_no_longer(
    verifier: JwtVerifier, clock: SettableClock, jwks: Path
) -> None:
    lasting = {"exp": clock.now().timestamp() + 7200}
    await verifier.verify(Sensitive(signed(KEY, claims(**lasting))))
    write(jwks, b"")
    clock.advance(3599)
    await verifier.verify(Sensitive(signed(KEY, claims(**lasting))))
    clock.advance(2)

    with pytest.raises(UnavailableError):
        await verifier.verify(Sensitive(signed(KEY, claims(**lasting))))


async def test_a_key_put_into_the_set_is_found_at_once(
    verifier: JwtVerifier, jwks: Path
) -> None:
    await caller(verifier)
    newer = generate("ES256")
    publish(jwks, jwk(KEY, "k1"), jwk(newer, "k2"))

    token = Sensitive(signed(newer, claims(), header={"kid": "k2"}))

    assert (await verifier.verify(token)).subject == "service-account:1"


async def test_a_broken_key_file_leaves_the_keys_as_they_were(
    verifier: JwtVerifier, clock: SettableClock, jwks: Path
) -> None:
    await caller(verifier)
    write(jwks, b'{"keys": [')
    clock.advance(2)

    assert (await caller(verifier, jti="another")).token_id == "another"


async def test_without_any_key_the_issuer_is_unavailable(tmp_path: Path) -> None:
    verifier = JwtVerifier([issuer(tmp_path / "absent.json")], SettableClock())

    with pytest.raises(UnavailableError):
        await caller(verifier)


async def test_the_memory_of_tokens_is_bounded(jwks: Path) -> None:
    verifier = JwtVerifier([issuer(jwks)], SettableClock(), remembered=3)

    for number in range(10):
        await caller(verifier, jti=str(number))

    assert len(verifier._remembered) == 3


async def test_the_memory_holds_no_token(verifier: JwtVerifier) -> None:
    token = signed(KEY, claims())
    await verifier.verify(Sensitive(token))

    assert token not in repr(verifier._remembered)
    assert token.encode() not in verifier._remembered


async def test_one_issuers_key_does_not_sign_for_another(tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    keys = [generate("ES256"), generate("ES256")]
    for file, key in zip(files, keys, strict=True):
        publish(file, jwk(key, "k1"))
    first, second = issuer(files[0]), issuer(files[1])
    object.__setattr__(second, "issuer", "https://second.example")
    verifier = JwtVerifier([first, second], SettableClock())

    crossed = signed(keys[1], claims())

    assert await refusal(verifier, crossed) == "the token's signature is not valid"


@pytest.mark.parametrize(
    ("bounds", "alone"),
    [
        ({}, False),
        ({"subjects": {"user:*"}}, True),
        ({"namespaces": {"team-b"}}, True),
        ({"roles": set(), "actions": set()}, True),
        ({"roles": set()}, False),
    ],
    ids=["unbounded", "other subjects", "other namespaces", "no rights", "actions only"],
)
async def test_a_caller_tells_whether_another_issuer_could_have_named_it(
    jwks: Path, tmp_path: Path, bounds: dict[str, Any], *, alone: bool
) -> None:
    other = tmp_path / "other.json"
    publish(other, jwk(generate("ES256"), "k1"))
    second = issuer(other, **bounds)
    object.__setattr__(second, "issuer", "https://second.example")
    verifier = JwtVerifier([issuer(jwks), second], SettableClock())

    assert (await caller(verifier)).only_issuer is alone
