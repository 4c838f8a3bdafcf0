"""Who may do what: one decision for every managing verb, one for decrypting.

- Deny by default. Names are data and scopes are patterns: what stands after `uid:` is compared
  with the whole name, character by character, and `…:uid:*` is no wildcard.
- A caller with a service identity manages nothing, whatever else its token says.
- Managing rights never give a right to decrypt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from chassis.caller import EVERY_NAMESPACE, Caller, Grant
from metadata_svc.domain.text import is_storable

MAX_SUBJECT_LENGTH = 1024  # characters of a token's subject that the database keeps


class Action(StrEnum):
    """What a managing caller may be granted."""

    CREATE = "secret.securevalues:create"
    READ = "secret.securevalues:read"
    WRITE = "secret.securevalues:write"
    DELETE = "secret.securevalues:delete"
    CREATE_KEEPER = "secret.keepers:create"
    READ_KEEPER = "secret.keepers:read"
    WRITE_KEEPER = "secret.keepers:write"
    DELETE_KEEPER = "secret.keepers:delete"

    @property
    def resource(self) -> str:
        """The part before the verb, which scopes start with."""
        return self.value.partition(":")[0]


_KEEPER_ACTIONS = frozenset(
    {Action.CREATE_KEEPER, Action.READ_KEEPER, Action.WRITE_KEEPER, Action.DELETE_KEEPER}
)
ROLE_ACTIONS: Mapping[str, frozenset[Action]] = MappingProxyType(
    {
        "Admin": frozenset(Action),
        "fixed:secret.securevalues:creator": frozenset({Action.CREATE}),
        "fixed:secret.securevalues:reader": frozenset({Action.READ}),
        "fixed:secret.securevalues:updater": frozenset({Action.WRITE}),
        "fixed:secret.securevalues:deleter": frozenset({Action.DELETE}),
        "fixed:secret.keepers:reader": frozenset({Action.READ_KEEPER}),
        "fixed:secret.keepers:writer": _KEEPER_ACTIONS,
    }
)


@dataclass(frozen=True, slots=True)
class Scope:
    """The names that an action may touch; the reason, for the log, when there are none."""

    everything: bool = False
    names: frozenset[str] = frozenset()
    reason: str = ""

    @property
    def empty(self) -> bool:
        """Whether no name at all is covered."""
        return not self.everything and not self.names

    def covers(self, name: str | None) -> bool:
        """Whether this name is covered; None stands for a name that is not chosen yet."""
        return self.everything or (name is not None and name in self.names)

    def includes(self, other: "Scope") -> bool:
        """Whether every name that the other covers is covered here."""
        return self.everything or (not other.everything and other.names <= self.names)

    def within(self, other: "Scope") -> "Scope":
        """The names that both cover."""
        if self.everything:
            return other
        return self if other.everything else Scope(names=self.names & other.names)


def managing_scope(caller: Caller, action: Action, namespace: str) -> Scope:
    """The names of a namespace on which the caller may do the action."""
    if caller.service_identities:
        return Scope(reason="a service identity manages nothing")
    if caller.namespace not in (EVERY_NAMESPACE, namespace):
        return Scope(reason="the token is for another namespace")
    if len(caller.subject) > MAX_SUBJECT_LENGTH or not is_storable(caller.subject):
        return Scope(reason="the token's subject cannot be recorded")
    if any(action in ROLE_ACTIONS.get(role, frozenset()) for role in caller.roles):
        return Scope(everything=True)
    return _granted_scope(caller.grants, action)


def _granted_scope(grants: Sequence[Grant], action: Action) -> Scope:
    scopes = [grant.scope for grant in grants if grant.action == action.value]
    if f"{action.resource}:*" in scopes:
        return Scope(everything=True)
    prefix = f"{action.resource}:uid:"
    names = frozenset(s.removeprefix(prefix) for s in scopes if s.startswith(prefix)) - {""}
    return Scope(names=names, reason="no role or grant covers it")


class Decision(StrEnum):
    """Whether a service identity may decrypt one name."""

    ALLOWED = "allowed"
    NOT_FOUND = "not found"
    NOT_AUTHORIZED = "not authorized"


class Location(NamedTuple):
    """Where a name's value is, and who may decrypt it."""

    keeper: str
    value_id: UUID
    version: int
    decrypters: Sequence[str]


class Resolution(NamedTuple):
    """The answer for one name; it says where the value is only when decrypting is allowed."""

    decision: Decision
    location: Location | None = None


_NOT_FOUND = Resolution(Decision.NOT_FOUND)
_NOT_AUTHORIZED = Resolution(Decision.NOT_AUTHORIZED)


def resolve(location: Location | None, service_identity: str) -> Resolution:
    """Decide one name for a service identity that the vault verified."""
    if location is None:
        return _NOT_FOUND
    if service_identity not in location.decrypters:
        return _NOT_AUTHORIZED
    return Resolution(Decision.ALLOWED, location)
