"""Verified claims to a Caller, within the bounds of their issuer. Pure.

- A claim of the wrong shape is refused, never ignored.
- A claim beyond the issuer's bounds is refused, never cut down to them.
- A token is either for managing (roles, grants) or for a service (serviceIdentity), never both.
- A person anywhere in the chain of actors makes the call a person's.
Sources: RFC 7519 §4.1 (registered claims), RFC 8693 §4.1 (`act`), RFC 9068 §2.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.caller import Caller, Grant
from chassis.errors import UnauthenticatedError
from chassis.issuers import ANY, Issuer

LEEWAY_SECONDS = 60
MAX_TEXT_CHARACTERS = 512
MAX_ACTORS = 8
MAX_SECONDS = 2**53

_DECRYPT_SUFFIX = ":decrypt"
_PERSON_TYPE = "user"


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """The caller, and the second (since the epoch) at which the token stops being accepted."""

    caller: Caller
    accepted_until: float


def read_claims(claims: dict[str, Any], issuer: Issuer, now: datetime) -> VerifiedClaims:
    """Whom the claims name. Raises UnauthenticatedError with the rule that is broken."""
    accepted_until = _check_times(claims, now.timestamp())
    _check_audience(claims.get("aud"), issuer)
    caller = _caller(claims, issuer)
    _check_bounds(caller, issuer)
    return VerifiedClaims(caller, accepted_until)


def _check_times(claims: dict[str, Any], now: float) -> float:
    expires = _time(claims, "exp")
    if expires is None:
        raise UnauthenticatedError("the token's exp is required")
    if now >= expires + LEEWAY_SECONDS:
        raise UnauthenticatedError("the token has expired")
    for name in ("nbf", "iat"):
        starts = _time(claims, name)
        if starts is not None and now < starts - LEEWAY_SECONDS:
            raise UnauthenticatedError(f"the token is not valid yet ({name})")
    return expires + LEEWAY_SECONDS


def _time(claims: dict[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # The bound also keeps out NaN and infinity, which compare as false.
    if not number or not 0 <= value < MAX_SECONDS:
        raise UnauthenticatedError(f"the token's {name} must be a number of seconds")
    return float(value)


def _check_audience(audience: Any, issuer: Issuer) -> None:
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(item, str) for item in audiences):
        raise UnauthenticatedError("the token's aud must be a string or a list of strings")
    if issuer.audiences.isdisjoint(audiences):
        raise UnauthenticatedError("the token is for another audience")


def _caller(claims: dict[str, Any], issuer: Issuer) -> Caller:
    subject = _text(claims, "sub", required=True)
    identity = _text(claims, "serviceIdentity").strip()
    return Caller(
        subject=subject,
        namespace=_text(claims, "namespace", required=True),
        roles=frozenset(_texts(claims, "roles")),
        grants=_grants(claims),
        permissions=frozenset(_texts(claims, "permissions")),
        service_identities=(identity,) if identity else (),
        for_user=any(_is_person(actor) for actor in _chain(claims)),
        issuer=issuer.issuer,
        token_id=_text(claims, "jti"),
    )


def _text(claims: dict[str, Any], name: str, *, required: bool = False) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or not _is_plain(value):
        raise UnauthenticatedError(
            f"the token's {name} must be a string of printable characters"
        )
    if required and not value.strip():
        raise UnauthenticatedError(f"the token's {name} is required")
    return value


def _is_plain(value: str) -> bool:
    return len(value) <= MAX_TEXT_CHARACTERS and (value.isprintable() or not value)


def _texts(claims: dict[str, Any], name: str) -> list[str]:
    values = claims.get(name, [])
    if not isinstance(values, list) or not all(_is_filled(value) for value in values):
        raise UnauthenticatedError(f"the token's {name} must be a list of strings")
    return values


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and _is_plain(value)


def _grants(claims: dict[str, Any]) -> tuple[Grant, ...]:
    values = claims.get("grants", [])
    if not isinstance(values, list) or not all(_is_grant(value) for value in values):
        raise UnauthenticatedError(
            "the token's grants must be a list of objects with an action and a scope"
        )
    return tuple(Grant(value["action"], value["scope"]) for value in values)


def _is_grant(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"action", "scope"}
        and all(map(_is_filled, value.values()))
    )


def _chain(claims: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The token's own claims, then each actor's (RFC 8693 §4.1), outermost first."""
    actor: Any = claims
    for _ in range(MAX_ACTORS + 1):
        yield actor
        if "act" not in actor:
            return
        actor = actor["act"]
        if not isinstance(actor, dict) or not _is_filled(actor.get("sub")):
            raise UnauthenticatedError("each act of the token must be an object with a sub")
    raise UnauthenticatedError(f"the token's act is nested deeper than {MAX_ACTORS}")


def _is_person(actor: dict[str, Any]) -> bool:
    named = (_text(actor, "sub"), _text(actor, "identifier"))
    typed = (_text(actor, "type"), *(name.partition(":")[0] for name in named if ":" in name))
    return any(kind.strip().lower() == _PERSON_TYPE for kind in typed)


def _check_bounds(caller: Caller, issuer: Issuer) -> None:
    if not issuer.may_name(caller.subject):
        raise UnauthenticatedError("the token's issuer may not assert this sub")
    managing = caller.roles or caller.grants
    if managing and caller.service_identities:
        raise UnauthenticatedError(
            "a token with roles or grants must not have a serviceIdentity"
        )
    if caller.namespace not in issuer.namespaces and ANY not in issuer.namespaces:
        raise UnauthenticatedError("the token's issuer may not assert this namespace")
    bounded = (
        ("serviceIdentity", caller.service_identities, issuer.service_identities),
        ("roles", caller.roles, issuer.roles),
        ("grants", [grant.action for grant in caller.grants], issuer.actions),
    )
    for name, asserted, bound in bounded:
        if ANY not in bound and not bound.issuperset(asserted):
            raise UnauthenticatedError(f"the token's issuer may not assert these {name}")
    if not issuer.may_grant_decrypt and any(map(_grants_decrypt, caller.permissions)):
        raise UnauthenticatedError("the token's issuer may not grant decryption")


def _grants_decrypt(permission: str) -> bool:
    return permission.strip().lower().endswith(_DECRYPT_SUFFIX)
