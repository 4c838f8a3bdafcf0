"""Who may ask for a decrypt at all, decided before anything is looked up.

All of these hold, or the answer is `not authorized` for every name:

- the call is nobody's on behalf of a user;
- the token's namespace is the request's, or `*`;
- the token names exactly one service identity, and it is not blank;
- the token permits decrypting all secure values, or this one by its name.

Names are data, never patterns: a permission matches a name only by being equal to it.
Whether the identity is on the value's allow-list is metadata's to say.
"""

import re
from dataclasses import dataclass

from chassis.caller import EVERY_NAMESPACE, Caller

_EVERYTHING = "secret.grafana.app/securevalues:decrypt"
# Wider than the rule for names, which is metadata's: only what no rule could let through.
_POSSIBLE_NAME = re.compile(r"[a-z0-9.-]{1,253}")
_POSSIBLE_IDENTITY = re.compile(r"[A-Za-z0-9._-]{1,63}")


@dataclass(frozen=True, slots=True)
class DecryptRight:
    """A service identity that may ask, and for which names."""

    service_identity: str
    permissions: frozenset[str]

    def covers(self, name: str) -> bool:
        """Whether the token permits decrypting the secure value of this name."""
        if _EVERYTHING in self.permissions:
            return True
        return f"secret.grafana.app/securevalues/{name}:decrypt" in self.permissions


@dataclass(frozen=True, slots=True)
class NoRight:
    """Nothing may be decrypted with this token here; why, for the log alone."""

    reason: str


def decide(caller: Caller, namespace: str) -> DecryptRight | NoRight:
    """What the caller may ask in this namespace."""
    reason = _refusal(caller, namespace)
    if reason:
        return NoRight(reason)
    return DecryptRight(caller.service_identities[0], caller.permissions)


def could_be_name(text: str) -> bool:
    """False only for what can name no secure value and no namespace."""
    return _POSSIBLE_NAME.fullmatch(text) is not None


def could_be_identity(text: str) -> bool:
    """False only for what no allow-list can name."""
    return _POSSIBLE_IDENTITY.fullmatch(text) is not None


def _refusal(caller: Caller, namespace: str) -> str:
    if caller.for_user:
        return "the call is a user's"
    if caller.namespace not in (namespace, EVERY_NAMESPACE):
        return "the token is for another namespace"
    if len(caller.service_identities) != 1:
        return "the token names not exactly one service identity"
    if not caller.service_identities[0].strip():
        return "the token's service identity is blank"
    return ""
