"""Who may do what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.caller import Caller
from metadata_svc.domain.access import (
    Action,
    Decision,
    Location,
    managing_scope,
    resolve,
)
from tests.fakes.metadata_svc.builders import a_caller, a_caller_granted, a_secure_value

SECURE_VALUES = "secret.securevalues"
KEEPER_ACTIONS = {a for a in Action if a.resource == "secret.keepers"}

ROLES: dict[str, set[Action]] = {
    "Admin": set(Action),
    "fixed:secret.securevalues:creator": {Action.CREATE},
    "fixed:secret.securevalues:reader": {Action.READ},
    "fixed:secret.securevalues:updater": {Action.WRITE},
    "fixed:secret.securevalues:deleter": {Action.DELETE},
    "fixed:secret.keepers:reader": {Action.READ_KEEPER},
    "fixed:secret.keepers:writer": KEEPER_ACTIONS,
    "Editor": set(),
    "Viewer": set(),
    "admin": set(),
    "fixed:secret.securevalues:writer": set(),
    "": set(),
}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_gives_its_actions_on_everything_and_no_other(role: str) -> None:
    caller = a_caller(roles=frozenset({role}))

    given = {a for a in Action if managing_scope(caller, a, "default").everything}
    some = {a for a in Action if not managing_scope(caller, a, "default").empty}

    assert (given, some) == (ROLES[role], ROLES[role])


def test_without_roles_and_grants_nothing_is_allowed() -> None:
    caller = a_caller(roles=frozenset())

    assert all(managing_scope(caller, action, "default").empty for action in Action)


@pytest.mark.parametrize(
    ("namespace", "allowed"),
    [
        pytest.param("default", True, id="its own"),
        pytest.param("*", True, id="every namespace"),
        pytest.param("other", False, id="another"),
        pytest.param("", False, id="none"),
        pytest.param("def*", False, id="no pattern"),
        pytest.param("Default", False, id="exactly"),
    ],
)
def test_a_caller_acts_in_its_own_namespace(namespace: str, *, allowed: bool) -> None:
    caller = a_caller(namespace=namespace)

    assert managing_scope(caller, Action.READ, "default").everything is allowed


def test_a_service_identity_manages_nothing_whatever_its_roles() -> None:
    caller = a_caller(service_identities=("k6-cloud",))

    assert all(managing_scope(caller, action, "default").empty for action in Action)


@pytest.mark.parametrize("subject", ["u\x00", "u\ud800", "u" * 1025])
def test_a_subject_that_cannot_be_recorded_manages_nothing(subject: str) -> None:
    assert managing_scope(a_caller(subject=subject), Action.READ, "default").empty


def _granted(scope: str) -> Caller:
    return a_caller_granted((f"{SECURE_VALUES}:read", scope))


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        pytest.param("secret.securevalues:*", {"a", "b", "*", None}, id="all"),
        pytest.param("secret.securevalues:uid:a", {"a"}, id="one"),
        pytest.param("secret.securevalues:uid:*", {"*"}, id="a star is a name, not a pattern"),
        pytest.param("secret.securevalues:uid:", set(), id="no name"),
        pytest.param("secret.securevalues:uid:a*", set(), id="no pattern"),
        pytest.param("secret.securevalues:uid:A", set(), id="exactly"),
        pytest.param("secret.keepers:*", set(), id="another resource"),
        pytest.param("secret.keepers:uid:a", set(), id="another resource's name"),
        pytest.param("*", set(), id="no scope"),
        pytest.param("", set(), id="empty"),
        pytest.param("secret.securevalues", set(), id="the resource alone"),
        pytest.param(" secret.securevalues:*", set(), id="no trimming"),
    ],
)
def test_a_grant_covers_what_its_scope_names(scope: str, covered: set[str | None]) -> None:
    decided = managing_scope(_granted(scope), Action.READ, "default")

    assert {name for name in ("a", "b", "*", None) if decided.covers(name)} == covered


def test_grants_add_up_by_action() -> None:
    caller = a_caller_granted(
        (f"{SECURE_VALUES}:read", f"{SECURE_VALUES}:uid:a"),
        (f"{SECURE_VALUES}:read", f"{SECURE_VALUES}:uid:b"),
        (f"{SECURE_VALUES}:write", f"{SECURE_VALUES}:*"),
    )

    assert managing_scope(caller, Action.READ, "default").names == {"a", "b"}
    assert managing_scope(caller, Action.WRITE, "default").everything
    assert managing_scope(caller, Action.DELETE, "default").empty


@pytest.mark.parametrize("action", ["secret.securevalues:*", "*", "read", "SECRET"])
def test_an_action_is_no_pattern(action: str) -> None:
    caller = a_caller_granted((action, f"{SECURE_VALUES}:*"))

    assert all(managing_scope(caller, each, "default").empty for each in Action)


@given(st.text(), st.text())
def test_a_scope_never_covers_a_name_that_it_does_not_spell(scoped: str, name: str) -> None:
    decided = managing_scope(_granted(f"{SECURE_VALUES}:uid:{scoped}"), Action.READ, "default")

    assert decided.covers(name) is (scoped == name != "")


def test_a_denial_says_why_for_the_log() -> None:
    reasons = {
        managing_scope(caller, Action.READ, "default").reason
        for caller in (
            a_caller(service_identities=("x",)),
            a_caller(namespace="other"),
            a_caller(roles=frozenset()),
            a_caller(subject="\x00"),
        )
    }

    assert len(reasons - {""}) == 4


def _location(*decrypters: str) -> Location:
    live = a_secure_value()
    return Location(
        keeper="system",
        value_id=live.value_id,
        version=1,
        decrypters=decrypters,
    )


def test_an_identity_on_the_list_is_told_where_the_value_is() -> None:
    location = _location("a", "k6-cloud")

    assert resolve(location, "k6-cloud").location == location


@pytest.mark.parametrize("identity", ["k6", "K6-Cloud", "k6-cloud ", "", "*"])
def test_an_identity_that_is_not_on_the_list_learns_nothing_else(identity: str) -> None:
    resolution = resolve(_location("k6-cloud"), identity)

    assert (resolution.decision, resolution.location) == (Decision.NOT_AUTHORIZED, None)


def test_an_empty_list_is_nobody() -> None:
    assert resolve(_location(), "k6").decision is Decision.NOT_AUTHORIZED


def test_what_is_not_there_is_not_found() -> None:
    assert resolve(None, "k6-cloud").decision is Decision.NOT_FOUND
