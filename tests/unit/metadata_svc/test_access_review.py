"""What a caller is told it may do is what it may do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.caller import Caller
from metadata_svc.domain.access import Action, managing_scope
from metadata_svc.domain.access_review import (
    SELECTOR_CONDITION,
    VERBS,
    AccessQuestion,
    Rule,
    review,
    rules,
)
from tests.fakes.metadata_svc.builders import NAMESPACE, a_caller, a_caller_granted

READS = ("get", "list", "watch")
SECURE_VALUES, KEEPERS = "secret.securevalues", "secret.keepers"


def allowed(caller: Caller, verb: str, resource: str = "securevalues", **more: Any) -> bool:
    reason = told(caller, verb, resource, **more)
    return reason in ("", SELECTOR_CONDITION)


def told(caller: Caller, verb: str, resource: str = "securevalues", **more: Any) -> str:
    """The reason: none for what is simply allowed, and the condition for what has one."""
    asked = {"namespace": NAMESPACE, "resource": resource, "verb": verb} | more
    answer = review(caller, AccessQuestion(**asked))
    assert answer.allowed == (answer.reason in ("", SELECTOR_CONDITION))
    return answer.reason


@pytest.mark.parametrize("verb", [*VERBS["securevalues"], "*"])
@pytest.mark.parametrize("resource", ["securevalues", "keepers", "*"])
@pytest.mark.parametrize("name", ["", "a"])
def test_an_administrator_may_do_everything(verb: str, resource: str, name: str) -> None:
    assert allowed(a_caller(), verb, resource, name=name)


@pytest.mark.parametrize("verb", [*VERBS["securevalues"], "*"])
@pytest.mark.parametrize("resource", ["securevalues", "keepers", "*"])
def test_nobody_may_do_anything_in_another_namespace(verb: str, resource: str) -> None:
    assert not allowed(a_caller(namespace="elsewhere"), verb, resource)


@pytest.mark.parametrize(
    ("verb", "resource", "subresource"),
    [
        ("get", "secrets", ""),
        ("get", "securevalue", ""),
        ("get", "", ""),
        ("", "securevalues", ""),
        ("approve", "securevalues", ""),
        ("activate", "securevalues", ""),
        ("create", "securevalues", "activate"),
        ("get", "keepers", "activate"),
        ("get", "keepers", "status"),
        ("activate", "keepers", "status"),
        ("create", "*", "activate"),
        ("*", "pods", ""),
    ],
)
def test_what_there_is_not_is_not_allowed(verb: str, resource: str, subresource: str) -> None:
    assert not allowed(a_caller(), verb, resource, subresource=subresource)


@pytest.mark.parametrize("namespace", ["", "*", "org-1", "A"])
def test_nothing_is_allowed_where_nothing_can_be(namespace: str) -> None:
    assert not allowed(a_caller(), "get", namespace=namespace)
    assert rules(a_caller(), namespace) == ()


@pytest.mark.parametrize(
    ("granted", "verbs"),
    [
        ("read", READS),
        ("create", ("create",)),
        ("write", ("update", "patch")),
        ("delete", ("delete", "deletecollection")),
    ],
)
@pytest.mark.parametrize("group", [SECURE_VALUES, KEEPERS])
def test_every_verb_needs_its_own_right(
    group: str, granted: str, verbs: tuple[str, ...]
) -> None:
    resource = group.removeprefix("secret.")
    caller = a_caller_granted((f"{group}:{granted}", f"{group}:*"))

    assert [v for v in VERBS[resource] if allowed(caller, v, resource)] == list(verbs)
    assert not allowed(caller, "*", resource)


def test_a_right_on_one_name_is_one_on_that_name() -> None:
    caller = a_caller_granted((f"{SECURE_VALUES}:read", f"{SECURE_VALUES}:uid:a"))

    assert allowed(caller, "get", name="a")
    assert not allowed(caller, "get", name="b")
    assert not allowed(caller, "get")
    assert not allowed(caller, "get", name="*")


def test_a_list_is_answered_to_whoever_may_read_some_name() -> None:
    scope = f"{SECURE_VALUES}:uid:a"
    caller = a_caller_granted(
        (f"{SECURE_VALUES}:read", scope), (f"{SECURE_VALUES}:delete", scope)
    )

    assert [v for v in VERBS["securevalues"] if allowed(caller, v)] == [
        "list",
        "watch",
        "deletecollection",
    ]
    assert not allowed(caller, "list", name="b")


EVERY, A, B = "*", "uid:a", "uid:b"


@pytest.mark.parametrize("group", [SECURE_VALUES, KEEPERS])
@pytest.mark.parametrize(
    ("delete", "read", "name", "condition"),
    [
        ((EVERY,), (EVERY,), "", ""),
        ((A,), (EVERY,), "", ""),
        ((A,), (A, B), "", ""),
        ((EVERY,), (A,), "a", ""),
        ((EVERY,), (), "", SELECTOR_CONDITION),
        ((A,), (), "", SELECTOR_CONDITION),
        ((A,), (), "a", SELECTOR_CONDITION),
        ((EVERY,), (A,), "", SELECTOR_CONDITION),
        ((EVERY,), (A,), "b", SELECTOR_CONDITION),
        ((A, B), (B,), "", SELECTOR_CONDITION),
    ],
)
def test_whoever_deletes_what_it_cannot_read_is_told_that_a_selector_needs_that_too(
    group: str, delete: tuple[str, ...], read: tuple[str, ...], name: str, condition: str
) -> None:
    resource = group.removeprefix("secret.")
    caller = a_caller_granted(
        *((f"{group}:delete", f"{group}:{scope}") for scope in delete),
        *((f"{group}:read", f"{group}:{scope}") for scope in read),
    )

    reason = told(caller, "deletecollection", resource, name=name)

    assert reason == condition
    other = {"securevalues": "keepers", "keepers": "securevalues"}[resource]
    assert not allowed(caller, "deletecollection", other, name=name)


def test_nothing_but_deleting_a_collection_has_a_condition() -> None:
    caller = a_caller_granted((f"{SECURE_VALUES}:delete", f"{SECURE_VALUES}:*"))

    assert told(caller, "delete", name="a") == ""
    assert told(a_caller(), "*", "*") == ""


@pytest.mark.parametrize(
    ("verb", "subresource"),
    [("create", "activate"), ("activate", "activate"), ("activate", "")],
)
def test_activating_needs_the_right_to_write(verb: str, subresource: str) -> None:
    writer = a_caller_granted((f"{KEEPERS}:write", f"{KEEPERS}:uid:a"))
    creator = a_caller_granted((f"{KEEPERS}:create", f"{KEEPERS}:*"))

    assert allowed(writer, verb, "keepers", subresource=subresource, name="a")
    assert not allowed(writer, verb, "keepers", subresource=subresource, name="b")
    assert not allowed(creator, verb, "keepers", subresource=subresource, name="a")


def test_the_vault_itself_is_activated_with_the_right_to_write_every_keeper() -> None:
    scoped = a_caller_granted((f"{KEEPERS}:write", f"{KEEPERS}:uid:system"))
    whole = a_caller_granted((f"{KEEPERS}:write", f"{KEEPERS}:*"))
    question = {"subresource": "activate", "name": "system"}

    assert not allowed(scoped, "create", "keepers", **question)
    assert allowed(whole, "create", "keepers", **question)
    assert all(rule.resources != ("keepers/activate",) for rule in rules(scoped, NAMESPACE))


def test_a_service_manages_nothing() -> None:
    caller = a_caller(service_identities=("k6-cloud",))

    assert not allowed(caller, "get")
    assert rules(caller, NAMESPACE) == ()


def test_an_administrators_rules_are_three() -> None:
    assert rules(a_caller(), NAMESPACE) == tuple(
        Rule(verbs=tuple(verbs), resources=(resource,)) for resource, verbs in VERBS.items()
    )


def test_rules_name_what_they_are_about() -> None:
    caller = a_caller_granted(
        (f"{SECURE_VALUES}:read", f"{SECURE_VALUES}:*"),
        (f"{SECURE_VALUES}:write", f"{SECURE_VALUES}:uid:b"),
        (f"{SECURE_VALUES}:write", f"{SECURE_VALUES}:uid:a"),
        (f"{KEEPERS}:write", f"{KEEPERS}:uid:k"),
    )

    assert rules(caller, NAMESPACE) == (
        Rule(verbs=READS, resources=("securevalues",)),
        Rule(verbs=("update", "patch"), resources=("securevalues",), names=("a", "b")),
        Rule(verbs=("update", "patch"), resources=("keepers",), names=("k",)),
        Rule(verbs=("create",), resources=("keepers/activate",), names=("k",)),
        Rule(verbs=("create",), resources=("securevalues/edit",), names=("a", "b")),
        Rule(verbs=("create",), resources=("keepers/edit",), names=("k",)),
    )


ACTIONS = st.sampled_from(list(Action))
NAMES = ("a", "b", "system")
GRANTS = st.lists(
    st.builds(
        lambda action, name: (
            action.value,
            f"{action.resource}:{f'uid:{name}' if name else '*'}",
        ),
        ACTIONS,
        st.sampled_from(("", *NAMES)),
    ),
    max_size=6,
)


@given(GRANTS)
def test_rules_and_reviews_say_what_the_decision_says(grants: list[tuple[str, str]]) -> None:
    caller = a_caller_granted(*grants)
    told = {
        (resource, verb, name)
        for rule in rules(caller, NAMESPACE)
        for resource in rule.resources
        for verb in rule.verbs
        for name in (rule.names or NAMES)
    }

    for resource, verbs in VERBS.items():
        kind, _, subresource = resource.partition("/")
        for verb, action in verbs.items():
            for name in NAMES:
                whole = (subresource, name) == ("activate", "system")
                may = managing_scope(caller, action, NAMESPACE).covers(None if whole else name)
                asked = {"subresource": subresource, "name": name}
                assert allowed(caller, verb, kind, **asked) == may
                assert ((resource, verb, name) in told) == may
