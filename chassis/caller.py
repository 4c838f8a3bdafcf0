"""Who is calling, once a verifier has established it. Pure: a domain may import it."""

from dataclasses import dataclass

EVERY_NAMESPACE = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission to do one action within one scope; both are opaque here."""

    action: str
    scope: str


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated identity of one request, and what its issuer says it may do.

    `namespace` is `*` for every namespace. `service_identities` has one entry or none.
    `for_user` is true if a person stands behind the call, directly or in the chain of actors.
    """

    subject: str
    namespace: str
    roles: frozenset[str]
    grants: tuple[Grant, ...]
    permissions: frozenset[str]
    service_identities: tuple[str, ...]
    for_user: bool
    issuer: str
    token_id: str
