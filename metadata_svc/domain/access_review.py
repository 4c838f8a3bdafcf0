"""What a caller may do, in the verbs of Kubernetes, by the decision that every call goes by.

A review foretells the answer of a request: a list is answered to whoever may read some name, an
update only to who may write that name. Where the answer depends on what a question cannot say,
it is allowed and the reason says on what. Sources: Kubernetes API, SelfSubjectAccessReview and
SelfSubjectRulesReview (authorization.k8s.io/v1).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from chassis.caller import Caller
from metadata_svc.domain.access import Action, Scope, managing_scope
from metadata_svc.domain.keeper import SYSTEM_KEEPER
from metadata_svc.domain.text import is_namespace

EVERY = "*"
ACTIVATION = "keepers/activate"
EDIT, KEEPER_EDIT = "securevalues/edit", "keepers/edit"
# What each resource's verbs need, in the order in which rules tell them.
VERBS: Mapping[str, Mapping[str, Action]] = MappingProxyType(
    {
        "securevalues": MappingProxyType(
            {
                "get": Action.READ,
                "list": Action.READ,
                "watch": Action.READ,
                "create": Action.CREATE,
                "update": Action.WRITE,
                "patch": Action.WRITE,
                "delete": Action.DELETE,
                "deletecollection": Action.DELETE,
            }
        ),
        "keepers": MappingProxyType(
            {
                "get": Action.READ_KEEPER,
                "list": Action.READ_KEEPER,
                "watch": Action.READ_KEEPER,
                "create": Action.CREATE_KEEPER,
                "update": Action.WRITE_KEEPER,
                "patch": Action.WRITE_KEEPER,
                "delete": Action.DELETE_KEEPER,
                "deletecollection": Action.DELETE_KEEPER,
            }
        ),
        # A POST, which Kubernetes calls create; the verb `activate` asks the same.
        ACTIVATION: MappingProxyType({"create": Action.WRITE_KEEPER}),
        EDIT: MappingProxyType({"create": Action.WRITE}),
        KEEPER_EDIT: MappingProxyType({"create": Action.WRITE_KEEPER}),
    }
)
_COLLECTION_VERBS = frozenset({"list", "watch", "deletecollection"})
# What a selector selects tells what is in it; a question does not say whether there is one.
_READ_TO_SELECT: Mapping[Action, Action] = MappingProxyType(
    {Action.DELETE: Action.READ, Action.DELETE_KEEPER: Action.READ_KEEPER}
)
SELECTOR_CONDITION = "a selector of anything but names needs the right to read, too"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessQuestion:
    """May the caller do this? Without a name: to every name."""

    namespace: str
    resource: str
    subresource: str = ""
    verb: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """Whether it is allowed, and why not; or, of what is allowed, the condition that it has."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Verbs that are allowed on resources; no names are every name."""

    verbs: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()


def review(caller: Caller, question: AccessQuestion) -> Review:
    """The answer to one question. What there is not is not allowed."""
    if not is_namespace(question.namespace):
        return Review(allowed=False, reason="there is no such namespace")
    asked = list(_asked(question))
    if not asked:
        return Review(allowed=False, reason="there is no such resource or verb")
    for resource, verb, action in asked:
        scope = managing_scope(caller, action, question.namespace)
        if not _covers(scope, resource, verb, question.name):
            return Review(allowed=False, reason=scope.reason or "not granted for this name")
    conditional = any(
        verb == "deletecollection" and _selects_blindly(caller, action, question)
        for _, verb, action in asked
    )
    return Review(allowed=True, reason=SELECTOR_CONDITION if conditional else "")


def rules(caller: Caller, namespace: str) -> tuple[Rule, ...]:
    """Everything that the caller may do in the namespace; verbs of one scope are one rule."""
    if not is_namespace(namespace):
        return ()
    return tuple(
        rule
        for resource, verbs in VERBS.items()
        for rule in _rules_of(caller, namespace, resource, verbs)
    )


def _asked(question: AccessQuestion) -> Iterator[tuple[str, str, Action]]:
    """Every resource, verb and action that the question is about; nothing, if there is none."""
    wanted, verb = _resource_and_verb(question)
    for resource, verbs in VERBS.items():
        if wanted in (EVERY, resource):
            yield from (
                (resource, v, action) for v, action in verbs.items() if verb in (EVERY, v)
            )


def _resource_and_verb(question: AccessQuestion) -> tuple[str, str]:
    resource, subresource, verb = question.resource, question.subresource, question.verb
    if (resource, verb) == ("keepers", "activate") and subresource in ("", "activate"):
        return ACTIVATION, "create"
    if resource == EVERY and subresource in ("", EVERY):
        return EVERY, verb
    return (f"{resource}/{subresource}" if subresource else resource), verb


def _covers(scope: Scope, resource: str, verb: str, name: str) -> bool:
    if not name and verb in _COLLECTION_VERBS:
        return not scope.empty
    return scope.covers(None if not name or _needs_everything(resource, name) else name)


def _selects_blindly(caller: Caller, delete: Action, question: AccessQuestion) -> bool:
    """Whether the caller may delete something, of what is asked, that it may not read."""
    read = managing_scope(caller, _READ_TO_SELECT[delete], question.namespace)
    if question.name:
        return not read.covers(question.name)
    return not read.includes(managing_scope(caller, delete, question.namespace))


def _needs_everything(resource: str, name: str) -> bool:
    """The vault itself is activated on behalf of every keeper."""
    return (resource, name) == (ACTIVATION, SYSTEM_KEEPER)


def _rules_of(
    caller: Caller, namespace: str, resource: str, verbs: Mapping[str, Action]
) -> Iterator[Rule]:
    by_scope: dict[tuple[bool, frozenset[str]], list[str]] = {}
    for verb, action in verbs.items():
        scope = managing_scope(caller, action, namespace)
        if not scope.empty:
            by_scope.setdefault((scope.everything, scope.names), []).append(verb)
    for (everything, names), allowed in by_scope.items():
        told = tuple(sorted(n for n in names if not _needs_everything(resource, n)))
        if everything or told:
            yield Rule(verbs=tuple(allowed), resources=(resource,), names=told)
