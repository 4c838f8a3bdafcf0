"""What an access token is to say. Standard library only.

A token either manages (roles, grants) or decrypts (a service identity), never both: one that
did both could put its own service on a secret's list and read the secret.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

LONGEST_TTL = timedelta(days=366)

# What the metadata service knows as roles: Grafana's administrator and its fixed roles.
ROLES = (
    "Admin",
    "fixed:secret.securevalues:creator",
    "fixed:secret.securevalues:reader",
    "fixed:secret.securevalues:updater",
    "fixed:secret.securevalues:deleter",
    "fixed:secret.keepers:reader",
    "fixed:secret.keepers:writer",
)
ANY_NAME_PERMISSION = "secret.grafana.app/securevalues:decrypt"


class TokenRequestError(ValueError):
    """Such a token is not minted; the text says which rule forbids it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An RBAC action on a scope."""

    action: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What a token is to say."""

    subject: str
    namespace: str
    ttl: timedelta
    roles: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    permissions: tuple[str, ...] = ()
    service_identity: str = ""

    def check(self) -> None:
        """Raises TokenRequestError."""
        if self.service_identity and (self.roles or self.grants):
            raise TokenRequestError(
                "a token with a role or a grant cannot have a service identity: who manages "
                "secrets does not decrypt them"
            )
        if self.service_identity != self.service_identity.strip():
            raise TokenRequestError("a service identity does not begin or end with a space")
        if not self.subject or not self.namespace:
            raise TokenRequestError("a token needs a subject and a namespace")
        if not timedelta(0) < self.ttl <= LONGEST_TTL:
            raise TokenRequestError(
                f"a token lives longer than 0 and at most {LONGEST_TTL.days} days"
            )

    def claims(self) -> dict[str, Any]:
        """The claims of the token's own; empty ones are left out."""
        claims: dict[str, Any] = {
            "sub": self.subject,
            "namespace": self.namespace,
            "roles": list(self.roles),
            "grants": [{"action": g.action, "scope": g.scope} for g in self.grants],
            "permissions": list(self.permissions),
            "serviceIdentity": self.service_identity,
        }
        return {name: value for name, value in claims.items() if value}
