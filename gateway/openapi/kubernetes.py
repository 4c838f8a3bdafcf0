"""Kubernetes' own types, as far as this API speaks them: lists, events, patches, reviews."""

from gateway.queries.delete_options import POLICIES
from gateway.schema.object_meta import API_VERSION, KIND, META, OBJECT_META
from gateway.schema.types import Anything, Flag, ListOf, MapOf, Schema, Struct, Text, Whole

AUTHENTICATION = "io.k8s.api.authentication.v1"
AUTHORIZATION = "io.k8s.api.authorization.v1"

LIST_META = Struct(
    name="ListMeta",
    package=META,
    description="What every list has.",
    fields={
        "resourceVersion": Text(
            description="The namespace's version before the list was read; watch from here."
        ),
        "continue": Text(
            description="Sent as `continue`, it asks for the next page; empty on the last page."
        ),
    },
)

STATUS_CAUSE = Struct(
    name="StatusCause",
    package=META,
    description="One of the things that are wrong.",
    fields={
        "reason": Text(description="Which rule, for programs."),
        "message": Text(description="Which rule, for people. It never quotes a value."),
        "field": Text(description="Path of the field, such as spec.description."),
    },
)

STATUS_DETAILS = Struct(
    name="StatusDetails",
    package=META,
    description="What a status is about.",
    fields={
        "name": Text(description="Name of the object."),
        "group": Text(description="Group of the object."),
        "kind": Text(description="Kind of the object, or the plural of its resource."),
        "uid": Text(description="uid of the object."),
        "causes": ListOf(
            description="Every rule that is broken.", items=STATUS_CAUSE, list_type="atomic"
        ),
        "retryAfterSeconds": Whole(description="When to try again."),
    },
)

STATUS = Struct(
    name="Status",
    package=META,
    description="Answers what failed, and what succeeded without an object to show.",
    fields={
        "apiVersion": Text(description="Always v1."),
        "kind": Text(description="Always Status."),
        "metadata": LIST_META,
        "status": Text(description="Success or Failure.", values=("Success", "Failure")),
        "message": Text(description="What happened, for people."),
        "reason": Text(description="What happened, for programs, such as NotFound."),
        "code": Whole(description="The HTTP status code."),
        "details": STATUS_DETAILS,
    },
)

PRECONDITIONS = Struct(
    name="Preconditions",
    package=META,
    description="What must be so, else the delete is a conflict.",
    fields={
        "uid": Text(description="uid of the object to delete."),
        "resourceVersion": Text(description="resourceVersion of the object to delete."),
    },
)

DELETE_OPTIONS = Struct(
    name="DeleteOptions",
    package=META,
    description="How to delete. Deletion is immediate: what says otherwise is ignored.",
    fields={
        "apiVersion": Text(description="v1, or the version of the object."),
        "kind": Text(description="DeleteOptions."),
        "preconditions": PRECONDITIONS,
        "dryRun": ListOf(
            description="All checks run and nothing is deleted.",
            items=Text(values=("All",)),
            list_type="atomic",
        ),
        "gracePeriodSeconds": Whole(description="Ignored.", minimum=0),
        "orphanDependents": Flag(description="Ignored."),
        "propagationPolicy": Text(description="Ignored.", values=POLICIES),
    },
)

WATCH_EVENT = Struct(
    name="WatchEvent",
    package=META,
    description="One line of a watch.",
    required=("type", "object"),
    fields={
        "type": Text(
            description="What happened to the object.",
            values=("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"),
        ),
        "object": Anything(description="The object, or the Status of an error."),
    },
)

JSON_PATCH = ListOf(
    description="Operations in turn (RFC 6902). None may read spec.value.",
    items=Struct(
        required=("op", "path"),
        fields={
            "op": Text(
                description="What to do.",
                values=("add", "remove", "replace", "move", "copy", "test"),
            ),
            "path": Text(description="Where, as a JSON Pointer (RFC 6901)."),
            "from": Text(description="From where, for move and copy."),
            "value": Anything(description="With what.", of_any_type=True),
        },
    ),
)

MERGE_PATCH = Anything(
    description="The fields to change; null removes one (RFC 7396). Without spec.value the "
    "value stays."
)

PARTIAL_OBJECT = Struct(
    name="PartialObjectMetadata",
    package=META,
    description="The identity of an object, for a caller who may write it and not read it.",
    required=("metadata",),
    fields={"apiVersion": API_VERSION, "kind": KIND, "metadata": OBJECT_META},
)

_RESOURCE_ATTRIBUTES = Struct(
    name="ResourceAttributes",
    package=AUTHORIZATION,
    description="An action on resources.",
    fields={
        "namespace": Text(description="The namespace; required to be allowed anything."),
        "verb": Text(description="A verb such as get or deletecollection; * is every one."),
        "group": Text(description="The API group; * is every one."),
        "version": Text(description="The API version; * is every one."),
        "resource": Text(description="The plural of a resource; * is every one."),
        "subresource": Text(description="A subresource such as activate."),
        "name": Text(description="Name of one object; empty asks for every name."),
    },
)

_NON_RESOURCE_ATTRIBUTES = Struct(
    name="NonResourceAttributes",
    package=AUTHORIZATION,
    description="A request for a path that is no resource.",
    fields={"path": Text(description="The path."), "verb": Text(description="The HTTP verb.")},
)

_ACCESS_SPEC = Struct(
    name="SelfSubjectAccessReviewSpec",
    package=AUTHORIZATION,
    description="What is asked: one of the two.",
    fields={
        "resourceAttributes": _RESOURCE_ATTRIBUTES,
        "nonResourceAttributes": _NON_RESOURCE_ATTRIBUTES,
    },
)

_ACCESS_STATUS = Struct(
    name="SubjectAccessReviewStatus",
    package=AUTHORIZATION,
    description="The answer.",
    required=("allowed",),
    fields={
        "allowed": Flag(description="Whether the caller may."),
        "denied": Flag(description="Whether a rule forbids it; never set."),
        "reason": Text(description="Why, for people."),
        "evaluationError": Text(description="What could not be decided; never set."),
    },
)

_RESOURCE_RULE = Struct(
    name="ResourceRule",
    package=AUTHORIZATION,
    description="Verbs on resources.",
    required=("verbs",),
    fields={
        name: ListOf(description=description, items=Text(), list_type="atomic")
        for name, description in (
            ("verbs", "The verbs."),
            ("apiGroups", "The groups."),
            ("resources", "The plurals, with a subresource after a slash."),
            ("resourceNames", "The names; empty means every one."),
        )
    },
)

_NON_RESOURCE_RULE = Struct(
    name="NonResourceRule",
    package=AUTHORIZATION,
    description="Verbs on paths that are no resource.",
    required=("verbs",),
    fields={
        "verbs": ListOf(description="The verbs.", items=Text(), list_type="atomic"),
        "nonResourceURLs": ListOf(description="The paths.", items=Text(), list_type="atomic"),
    },
)

_RULES_SPEC = Struct(
    name="SelfSubjectRulesReviewSpec",
    package=AUTHORIZATION,
    description="What is asked.",
    fields={"namespace": Text(description="The namespace whose rules are asked for.")},
)

_RULES_STATUS = Struct(
    name="SubjectRulesReviewStatus",
    package=AUTHORIZATION,
    description="The answer.",
    required=("resourceRules", "nonResourceRules", "incomplete"),
    fields={
        "resourceRules": ListOf(description="On resources.", items=_RESOURCE_RULE),
        "nonResourceRules": ListOf(description="On paths.", items=_NON_RESOURCE_RULE),
        "incomplete": Flag(description="Whether rules are missing here."),
        "evaluationError": Text(description="Why they are."),
    },
)


def _review(name: str, description: str, spec: Schema, status: Schema) -> Struct:
    return Struct(
        name=name,
        package=AUTHORIZATION,
        description=description,
        required=("spec",),
        fields={
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": OBJECT_META,
            "spec": spec,
            "status": status,
        },
    )


ACCESS_REVIEW = _review(
    "SelfSubjectAccessReview",
    "Asks whether the caller may do one thing.",
    _ACCESS_SPEC,
    _ACCESS_STATUS,
)
RULES_REVIEW = _review(
    "SelfSubjectRulesReview",
    "Asks for everything that the caller may do in a namespace.",
    _RULES_SPEC,
    _RULES_STATUS,
)

_USER_INFO = Struct(
    name="UserInfo",
    package=AUTHENTICATION,
    description="Who the caller is.",
    fields={
        "username": Text(description="The subject of the token."),
        "uid": Text(description="Not used by this API."),
        "groups": ListOf(
            description="The roles of the token.", items=Text(), list_type="atomic"
        ),
        "extra": MapOf(
            description="The token's issuer, namespace and service identity.",
            values=ListOf(items=Text()),
        ),
    },
)

IDENTITY_REVIEW = Struct(
    name="SelfSubjectReview",
    package=AUTHENTICATION,
    description="Asks who the caller is.",
    fields={
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": OBJECT_META,
        "status": Struct(
            name="SelfSubjectReviewStatus",
            package=AUTHENTICATION,
            description="The answer.",
            fields={"userInfo": _USER_INFO},
        ),
    },
)
