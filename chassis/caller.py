"""Who is calling, once a verifier has established it. Pure: a domain may import it."""

from dataclasses import dataclass
from typing import NamedTuple

EVERY_NAMESPACE = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission to do one action within one scope; both are opaque here."""

    action: str
    scope: str


class Principal(NamedTuple):
    """Who a caller is. A subject alone says nothing: each issuer names its own.

    Source: RFC 7519 §4.1.2 (a subject is unique in the context of its issuer).
    """

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated identity of one request, and what its issuer says it may do.

    `namespace` is `*` for every namespace. `service_identities` has one entry or none.
    `for_user` is true if a person stands behind the call, directly or in the chain of actors.
    `only_issuer` is true if no other trusted issuer's bounds allow the same subject to have any
    role or action in the namespace.
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
    only_issuer: bool = False

    @property
    def principal(self) -> Principal:
        """The issuer and the subject, which together are one caller and no other."""
        return Principal(self.issuer, self.subject)
