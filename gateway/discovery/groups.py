"""The API groups that are served, as data: discovery documents are made from it."""

from dataclasses import dataclass

from gateway.kinds import GROUP, KEEPER, SECURE_VALUE, VERSIONS, Kind

ALL_VERBS = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subresource:
    """What hangs below one object; it is answered in the object's own kind."""

    name: str
    verbs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One plural name of a group, and what can be done with it."""

    kind: Kind
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group; the first of its versions is the preferred one."""

    name: str
    versions: tuple[str, ...]
    resources: tuple[Resource, ...]

    def api_version(self, version: str) -> str:
        """The version as objects name it; only the group without a name leaves itself out."""
        return f"{self.name}/{version}" if self.name else version


AUTHORIZATION_GROUP = "authorization.k8s.io"

ACCESS_REVIEW = Kind(
    name="SelfSubjectAccessReview",
    plural="selfsubjectaccessreviews",
    singular="selfsubjectaccessreview",
    words="self subject access review",
    group=AUTHORIZATION_GROUP,
)
RULES_REVIEW = Kind(
    name="SelfSubjectRulesReview",
    plural="selfsubjectrulesreviews",
    singular="selfsubjectrulesreview",
    words="self subject rules review",
    group=AUTHORIZATION_GROUP,
)

EDIT = Subresource(name="edit", verbs=("create",))

SECRETS = Group(
    name=GROUP,
    versions=VERSIONS,
    resources=(
        Resource(
            kind=KEEPER,
            namespaced=True,
            verbs=ALL_VERBS,
            short_names=("kp",),
            subresources=(Subresource(name="activate", verbs=("create",)), EDIT),
        ),
        Resource(
            kind=SECURE_VALUE,
            namespaced=True,
            verbs=ALL_VERBS,
            short_names=("sv",),
            subresources=(EDIT,),
        ),
    ),
)

AUTHORIZATION = Group(
    name=AUTHORIZATION_GROUP,
    versions=("v1",),
    resources=(
        Resource(kind=ACCESS_REVIEW, namespaced=False, verbs=("create",)),
        Resource(kind=RULES_REVIEW, namespaced=False, verbs=("create",)),
    ),
)

AUTHENTICATION_GROUP = "authentication.k8s.io"

IDENTITY_REVIEW = Kind(
    name="SelfSubjectReview",
    plural="selfsubjectreviews",
    singular="selfsubjectreview",
    words="self subject review",
    group=AUTHENTICATION_GROUP,
)

AUTHENTICATION = Group(
    name=AUTHENTICATION_GROUP,
    versions=("v1",),
    resources=(Resource(kind=IDENTITY_REVIEW, namespaced=False, verbs=("create",)),),
)

GROUPS = (SECRETS, AUTHORIZATION, AUTHENTICATION)

CORE = Group(name="", versions=("v1",), resources=())
"""Kubernetes' group without a name, with nothing in it.

kubectl writes several objects down as a `v1` `List`, and reads such a document only where the
server lists that version.
"""
