"""Signed access tokens, verified against configured issuers.

- The issuer is found by the token's unverified `iss`, compared exactly; from then on the
  issuer's configuration decides the algorithm, the keys and the bounds, never the token.
- A verified token is remembered by its SHA-256 until it expires or its issuer's keys change;
  the memory is bounded, and expiry is checked against the clock each time.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.caller import Caller
from chassis.clock import Clock
from chassis.errors import UnauthenticatedError
from chassis.issuers import Issuer
from chassis.jwks import KeySet, SignatureError
from chassis.key_sources import KeySource, key_source
from chassis.sensitive import Sensitive
from chassis.token_claims import VerifiedClaims, read_claims
from chassis.token_parsing import MAX_TOKEN_CHARACTERS, UnverifiedToken, parse_token

REMEMBERED_TOKENS = 10_000


@dataclass(frozen=True, slots=True)
class _Trusted:
    issuer: Issuer
    source: KeySource


@dataclass(frozen=True, slots=True)
class _Remembered:
    verified: VerifiedClaims
    keys: KeySet
    source: KeySource

    def is_over(self, now: datetime) -> bool:
        """Whether the token is no longer accepted by the clock."""
        return now.timestamp() >= self.verified.accepted_until


class JwtVerifier:
    """See chassis.identity.TokenVerifier."""

    def __init__(
        self, issuers: Iterable[Issuer], clock: Clock, *, remembered: int = REMEMBERED_TOKENS
    ) -> None:
        self._trusted = {i.issuer: _Trusted(i, key_source(i, clock)) for i in issuers}
        self._clock = clock
        self._limit = remembered
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()

    def with_issuers(self, issuers: Iterable[Issuer]) -> "JwtVerifier":
        """One that trusts these instead and remembers no token.

        The keys at hand are kept where an issuer's source of keys is the same.
        """
        other = JwtVerifier(issuers, self._clock, remembered=self._limit)
        for name, trusted in other._trusted.items():
            known = self._trusted.get(name)
            if known and _key_place(known.issuer) == _key_place(trusted.issuer):
                other._trusted[name] = _Trusted(trusted.issuer, known.source)
        return other

    def remembered(self, token: Sensitive[str]) -> Caller | None:
        """See TokenVerifier.remembered."""
        text = token.reveal()
        if len(text) > MAX_TOKEN_CHARACTERS:
            return None
        digest = _digest(text)
        entry = self._remembered.get(digest)
        if entry is None:
            return None
        if entry.source.at_hand() is not entry.keys or entry.is_over(self._clock.now()):
            return None
        self._just_used(digest)
        return entry.verified.caller

    async def verify(self, token: Sensitive[str]) -> Caller:
        """See TokenVerifier.verify."""
        text = token.reveal()
        if len(text) > MAX_TOKEN_CHARACTERS:
            parse_token(text)  # refuses it; nothing so long is hashed or kept
        digest = _digest(text)
        entry = self._remembered.get(digest)
        if entry is not None:
            keys = await entry.source.keys()
            if keys is entry.keys and not entry.is_over(self._clock.now()):
                self._just_used(digest)
                return entry.verified.caller
            self._remembered.pop(digest, None)
        return await self._verified(text, digest)

    def _just_used(self, digest: bytes) -> None:
        if digest in self._remembered:  # another may have forgotten it meanwhile
            self._remembered.move_to_end(digest)

    async def _verified(self, text: str, digest: bytes) -> Caller:
        token = parse_token(text)
        trusted = self._issuer_of(token)
        keys = await _keys_with(token.key_id, trusted.source)
        try:
            keys.verify(token.key_id, token.signed, token.signature)
        except SignatureError:
            raise UnauthenticatedError("the token's signature is not valid") from None
        verified = read_claims(token.claims, trusted.issuer, self._clock.now())
        verified = replace(verified, caller=self._told_apart(verified.caller))
        self._remember(digest, _Remembered(verified, keys, trusted.source))
        return verified.caller

    def _issuer_of(self, token: UnverifiedToken) -> _Trusted:
        name = token.claims.get("iss")
        trusted = self._trusted.get(name) if isinstance(name, str) else None
        if trusted is None:
            raise UnauthenticatedError("the token's iss is not a trusted issuer")
        if token.algorithm != trusted.issuer.algorithm:
            raise UnauthenticatedError("the token's alg is not its issuer's")
        return trusted

    def _told_apart(self, caller: Caller) -> Caller:
        others = (t.issuer for name, t in self._trusted.items() if name != caller.issuer)
        alone = not any(o.may_manage_as(caller.subject, caller.namespace) for o in others)
        return replace(caller, only_issuer=alone)

    def _remember(self, digest: bytes, entry: _Remembered) -> None:
        self._remembered[digest] = entry
        while len(self._remembered) > self._limit:
            self._remembered.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _key_place(issuer: Issuer) -> tuple[object, ...]:
    """Where its keys are, and for which algorithm."""
    route = (issuer.jwks_ca, issuer.jwks_proxy)
    return (issuer.algorithm, issuer.jwks_file, issuer.jwks_url, route)


async def _keys_with(key_id: str, source: KeySource) -> KeySet:
    keys = await source.keys()
    if key_id not in keys.keys:
        keys = await source.keys(unknown_key_id=True)
    if key_id not in keys.keys:
        raise UnauthenticatedError("the token's kid is not one of its issuer's keys")
    return keys
