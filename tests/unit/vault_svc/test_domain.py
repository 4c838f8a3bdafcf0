"""The states of data keys, and who may ask for a decrypt."""

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from chassis.errors import FailedPreconditionError
from tests.fakes.vault_svc.vault import EVERYTHING, a_caller
from vault_svc.domain.access import DecryptRight, NoRight, could_be_name, decide
from vault_svc.domain.keyring import (
    DataKeyState,
    ReplacementRule,
    WrappedDataKey,
    require_move,
)

ALLOWED_MOVES = {
    (DataKeyState.ACTIVE, DataKeyState.RETIRED),
    (DataKeyState.ACTIVE, DataKeyState.DISABLED),
    (DataKeyState.RETIRED, DataKeyState.DISABLED),
    (DataKeyState.RETIRED, DataKeyState.DESTROYED),
    (DataKeyState.DISABLED, DataKeyState.RETIRED),
    (DataKeyState.DISABLED, DataKeyState.DESTROYED),
}


@pytest.mark.parametrize(
    ("current", "target"), list(itertools.product(DataKeyState, DataKeyState))
)
def test_a_data_key_moves_only_as_it_may(current: DataKeyState, target: DataKeyState) -> None:
    if (current, target) in ALLOWED_MOVES:
        require_move(current, target)
    else:
        with pytest.raises(FailedPreconditionError):
            require_move(current, target)


def test_only_active_and_retired_keys_open() -> None:
    opening = {
        state
        for state in DataKeyState
        if WrappedDataKey("team-a", UUID(int=1), "kek-1", state, b"w").opens
    }

    assert opening == {DataKeyState.ACTIVE, DataKeyState.RETIRED}


def test_the_last_block_of_wraps_ends_at_the_limit() -> None:
    rule = ReplacementRule()

    assert rule.reservable_below + rule.wraps_per_reservation == 2**31


def test_a_key_must_be_younger_than_its_age() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)

    assert ReplacementRule(60).created_after(now) == now - timedelta(seconds=60)


def test_a_service_with_the_permission_may_ask_for_every_name() -> None:
    right = decide(a_caller(), "team-a")

    assert isinstance(right, DecryptRight)
    assert right.service_identity == "billing"
    assert right.covers("anything")


def test_a_permission_for_one_name_covers_that_name_alone() -> None:
    permission = "secret.grafana.app/securevalues/db-password:decrypt"
    right = decide(a_caller(permissions=frozenset({permission})), "team-a")

    assert isinstance(right, DecryptRight)
    assert [right.covers(n) for n in ("db-password", "db-password2", "db", "*", "")] == [
        True,
        False,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "permission",
    [
        "secret.grafana.app/securevalues/*:decrypt",
        "secret.grafana.app/securevalues:*",
        "secret.grafana.app:decrypt",
        "secret.grafana.app/securevalues:read",
        "secret.grafana.app/*:decrypt",
        "*",
        "",
        "secret.grafana.app/keepers:decrypt",
        "Secret.Grafana.App/securevalues:decrypt",
    ],
)
def test_no_other_permission_covers_anything(permission: str) -> None:
    right = decide(a_caller(permissions=frozenset({permission})), "team-a")

    assert isinstance(right, DecryptRight)
    assert not right.covers("db-password")


def test_a_token_for_every_namespace_serves_each() -> None:
    assert isinstance(decide(a_caller(namespace="*"), "team-b"), DecryptRight)


@pytest.mark.parametrize(
    ("caller", "reason"),
    [
        (a_caller(for_user=True), "the call is a user's"),
        (a_caller(namespace="team-b"), "the token is for another namespace"),
        (a_caller(namespace=""), "the token is for another namespace"),
        (a_caller(identities=()), "the token names not exactly one service identity"),
        (a_caller(identities=("a", "b")), "the token names not exactly one service identity"),
        (a_caller(identities=("",)), "the token's service identity is blank"),
        (a_caller(identities=(" \t",)), "the token's service identity is blank"),
    ],
    ids=["user", "elsewhere", "nowhere", "nobody", "two", "empty", "blank"],
)
def test_everyone_else_has_no_right(caller: object, reason: str) -> None:
    assert decide(caller, "team-a") == NoRight(reason)  # type: ignore[arg-type]  # a Caller


def test_a_user_has_no_right_whatever_else_the_token_says() -> None:
    caller = a_caller(namespace="*", permissions=frozenset({EVERYTHING}), for_user=True)

    assert isinstance(decide(caller, "team-a"), NoRight)


@pytest.mark.parametrize("name", ["a", "db-password", "a.b", "0", "x" * 253])
def test_what_the_name_rule_allows_could_be_a_name(name: str) -> None:
    assert could_be_name(name)


@pytest.mark.parametrize("name", ["", "*", "A", "a b", "a\x00", "é", "a/b", "a\n", "x" * 254])
def test_what_no_rule_allows_could_not(name: str) -> None:
    assert not could_be_name(name)
