"""Tokens say what was asked, verify with the published key, and obey the rule of two hands."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from metadata_svc.domain.access import ROLE_ACTIONS
from splitkeep.issuer import (
    AUDIENCE,
    ISSUER,
    ROLES,
    Grant,
    Issuer,
    TokenRequest,
    TokenRequestError,
    ensure_issuer,
    parse_issuer,
    publish,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
READ = Grant(action="secret.securevalues:read", scope="securevalues:*")


def a_request(
    *,
    roles: tuple[str, ...] = (),
    grants: tuple[Grant, ...] = (),
    service_identity: str = "",
    ttl: timedelta = timedelta(hours=1),
) -> TokenRequest:
    return TokenRequest(
        subject="user:admin",
        namespace="default",
        ttl=ttl,
        roles=roles,
        grants=grants,
        service_identity=service_identity,
    )


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return ensure_issuer(tmp_path / "key.pem")


def claims_of(issuer: Issuer, request: TokenRequest) -> dict[str, object]:
    token = issuer.mint(request, NOW).reveal()
    key = jwt.PyJWKSet.from_dict(dict(issuer.jwks()))[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, object] = jwt.decode(
        token,
        key,
        algorithms=["ES256"],
        audience=AUDIENCE,
        issuer=ISSUER,
        # The times are compared with NOW, not with the machine's clock.
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    return claims


def test_a_token_verifies_with_the_published_key_and_says_what_was_asked(
    issuer: Issuer,
) -> None:
    claims = claims_of(issuer, a_request(roles=("Admin",), grants=(READ,)))

    assert (claims["sub"], claims["namespace"]) == ("user:admin", "default")
    assert claims["roles"] == ["Admin"]
    assert claims["grants"] == [{"action": READ.action, "scope": READ.scope}]
    assert "serviceIdentity" not in claims


def test_a_token_lives_for_its_time_from_now_on(issuer: Issuer) -> None:
    claims = claims_of(issuer, a_request(ttl=timedelta(minutes=5)))

    assert (claims["nbf"], claims["exp"]) == (NOW.timestamp(), NOW.timestamp() + 300)


def test_a_token_is_typed_as_an_access_token(issuer: Issuer) -> None:
    header = jwt.get_unverified_header(issuer.mint(a_request(), NOW).reveal())

    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": issuer.key_id}


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(a_request(roles=("Admin",), service_identity="billing"), id="role"),
        pytest.param(a_request(grants=(READ,), service_identity="billing"), id="grant"),
        pytest.param(a_request(service_identity=" billing"), id="space"),
        pytest.param(a_request(ttl=timedelta(0)), id="no time"),
        pytest.param(a_request(ttl=timedelta(days=400)), id="too long"),
        pytest.param(replace(a_request(), namespace=""), id="no namespace"),
        pytest.param(replace(a_request(), subject=""), id="no subject"),
    ],
)
def test_a_token_that_breaks_a_rule_is_not_minted(
    issuer: Issuer, request_: TokenRequest
) -> None:
    with pytest.raises(TokenRequestError):
        issuer.mint(request_, NOW)


def test_the_key_is_made_once(tmp_path: Path) -> None:
    first = ensure_issuer(tmp_path / "key.pem")

    assert ensure_issuer(tmp_path / "key.pem").key_id == first.key_id


def test_a_file_that_holds_no_issuer_key_is_refused() -> None:
    with pytest.raises(ValueError, match="PEM"):
        parse_issuer(b"not a key")


def test_nothing_private_is_published(issuer: Issuer, tmp_path: Path) -> None:
    publish(issuer, tmp_path)

    published = json.loads((tmp_path / "jwks.json").read_text())

    assert {member for key in published["keys"] for member in key} == {
        "kty",
        "crv",
        "x",
        "y",
        "kid",
        "use",
        "alg",
    }


def test_the_roles_are_those_that_the_metadata_service_knows() -> None:
    assert set(ROLES) == set(ROLE_ACTIONS)
