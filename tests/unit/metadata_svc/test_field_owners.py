"""Who owns which field after a write."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidArgumentError, Rule
from metadata_svc.domain.field_owners import (
    ANCIENT_CHANGES,
    DECRYPTERS,
    MAX_APPLIERS,
    MAX_OWNERS,
    VALUE,
    FieldManager,
    FieldOwner,
    OwnerOperation,
    Transfer,
    annotation_path,
    changes_between,
    is_field_path,
    owners_after,
)
from metadata_svc.domain.last_applied import LAST_APPLIED
from tests.fakes.metadata_svc.builders import NOON

UPDATE, APPLY = OwnerOperation.UPDATE, OwnerOperation.APPLY
LATER = NOON + timedelta(hours=1)
A, B = "metadata.labels[a]", "metadata.labels[b]"
DESCRIPTION = "spec.description"
VERSION = "secret.grafana.app/v1beta1"


def owner(
    manager: str, *fields: str, operation: OwnerOperation = UPDATE, at: datetime = NOON
) -> FieldOwner:
    return FieldOwner(
        manager=manager, operation=operation, api_version=VERSION, at=at, fields=fields
    )


def updater(name: str) -> FieldManager:
    return FieldManager(name=name, api_version=VERSION)


def applier(name: str, *fields: str) -> FieldManager:
    return FieldManager(name=name, api_version=VERSION, applied=frozenset(fields))


def after(
    owners: tuple[FieldOwner, ...],
    before: Mapping[str, object],
    now: Mapping[str, object],
    manager: FieldManager,
    *rewritten: str,
) -> tuple[FieldOwner, ...]:
    changes = changes_between(before, now, rewritten=frozenset(rewritten))
    return owners_after(owners, changes, manager=manager, at=LATER)


@pytest.mark.parametrize(
    "path",
    [
        "spec.description",
        "spec.decrypters",
        "spec.value",
        "spec.ref",
        "spec.aws",
        "metadata.labels[team]",
        "metadata.labels[grafana-app-sdk-resource-version]",
        "metadata.annotations[grafana.app/managedBy]",
        "metadata.annotations[plain]",
    ],
)
def test_a_field_that_an_object_can_have_can_be_owned(path: str) -> None:
    assert is_field_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "spec",
        "spec.",
        "spec.foo",
        "spec.aws.region",
        "spec.decrypters[0]",
        "status.keeper",
        "metadata.name",
        "metadata.labels",
        "metadata.labels[]",
        "metadata.labels[a/b]",
        "metadata.labels[a]\n",
        "metadata.labels[a\n]",
        "metadata.labels[a]]",
        "metadata.annotations[a/b/c]",
        "metadata.annotations[*]",
        " spec.value",
    ],
)
def test_anything_else_cannot(path: str) -> None:
    assert not is_field_path(path)


def test_who_creates_owns_what_is_there_and_the_value() -> None:
    made = after((), {}, {DESCRIPTION: "d", A: "1"}, updater("m"), VALUE)

    assert made == (owner("m", A, DESCRIPTION, VALUE, at=LATER),)


def test_what_an_update_changes_leaves_every_other_owner() -> None:
    owners = (owner("one", A, DESCRIPTION), owner("two", A, B, operation=APPLY))

    found = after(
        owners,
        {A: "1", B: "1", DESCRIPTION: "d"},
        {A: "2", B: "1", DESCRIPTION: "d"},
        updater("m"),
    )

    assert found == (
        owner("one", DESCRIPTION),
        owner("two", B, operation=APPLY),
        owner("m", A, at=LATER),
    )


def test_what_is_gone_leaves_everyone() -> None:
    owners = (owner("one", A), owner("m", A, DESCRIPTION))

    found = after(owners, {A: "1", DESCRIPTION: "d"}, {DESCRIPTION: "d"}, updater("m"))

    assert found == (owner("m", DESCRIPTION, at=LATER),)


def test_a_value_that_is_written_again_changes_hands() -> None:
    owners = (owner("one", VALUE, operation=APPLY), owner("two", A))

    found = after(owners, {A: "1"}, {A: "1"}, updater("m"), VALUE)

    assert found == (owner("two", A), owner("m", VALUE, at=LATER))


def test_an_update_that_changes_nothing_takes_nothing() -> None:
    owners = (owner("one", A),)

    assert after(owners, {A: "1"}, {A: "1"}, updater("m")) == owners
    assert after(owners, {A: "1"}, {A: "1"}, updater("one")) == owners


def test_a_write_without_a_name_owns_nothing() -> None:
    owners = (owner("one", A, B),)

    assert after(owners, {A: "1", B: "1"}, {A: "2", B: "1"}, FieldManager()) == (
        owner("one", B),
    )
    assert after((), {}, {A: "1"}, FieldManager()) == ()


def test_who_applies_shares_what_it_agrees_with() -> None:
    owners = (owner("one", A, B, operation=APPLY), owner("two", A))

    found = after(owners, {A: "1", B: "1"}, {A: "1", B: "1"}, applier("m", A))

    assert found == (*owners, owner("m", A, operation=APPLY, at=LATER))


def test_what_was_applied_last_stays_with_its_owner_when_an_apply_renews_it() -> None:
    last = annotation_path(LAST_APPLIED)
    owners = (owner("one", last, A),)
    before, now = {A: "1", last: "1"}, {A: "2", last: "2"}

    assert after(owners, before, now, applier("m", A)) == (
        owner("one", last),
        owner("m", A, operation=APPLY, at=LATER),
    )
    assert after(owners, before, now, updater("m")) == (owner("m", last, A, at=LATER),)


def test_who_applies_another_content_takes_it_over() -> None:
    owners = (owner("one", A, B, operation=APPLY), owner("m", A))

    found = after(owners, {A: "1", B: "1"}, {A: "2", B: "1"}, applier("m", A))

    assert found == (
        owner("one", B, operation=APPLY),
        owner("m", A, operation=APPLY, at=LATER),
    )


def test_who_applies_less_owns_less() -> None:
    owners = (owner("m", A, B, operation=APPLY),)

    kept = after(owners, {A: "1", B: "1"}, {A: "1", B: "1"}, applier("m", A))
    dropped = after(owners, {A: "1", B: "1"}, {A: "1"}, applier("m", A))
    nothing = after(owners, {A: "1", B: "1"}, {A: "1", B: "1"}, applier("m"))

    assert kept == dropped == (owner("m", A, operation=APPLY, at=LATER),)
    assert nothing == ()


def test_applying_the_same_again_leaves_even_the_time() -> None:
    owners = (owner("m", A, operation=APPLY),)

    assert after(owners, {A: "1"}, {A: "1"}, applier("m", A)) == owners


def test_what_the_object_does_not_have_is_not_owned() -> None:
    found = after((), {}, {A: "1"}, applier("m", A, B))

    assert found == (owner("m", A, operation=APPLY, at=LATER),)


def test_an_empty_allow_list_and_a_value_may_be_applied_unseen() -> None:
    found = after((), {DESCRIPTION: "d"}, {DESCRIPTION: "d"}, applier("m", DECRYPTERS, VALUE))

    assert found == (owner("m", DECRYPTERS, VALUE, operation=APPLY, at=LATER),)


def test_the_oldest_updates_become_one_owner() -> None:
    owners = tuple(
        owner(f"m{n}", f"metadata.labels[l{n}]", at=NOON + timedelta(minutes=n))
        for n in range(MAX_OWNERS)
    )
    before = {f"metadata.labels[l{n}]": "1" for n in range(MAX_OWNERS)}

    once = after(owners, before, before | {A: "1"}, updater("new"))
    twice = after(once, before | {A: "1"}, before | {A: "1", B: "1"}, updater("newer"))

    assert len(once) == len(twice) == MAX_OWNERS
    assert once[0] == owner(
        ANCIENT_CHANGES,
        "metadata.labels[l0]",
        "metadata.labels[l1]",
        at=NOON + timedelta(minutes=1),
    )
    assert once[1:] == (*owners[2:], owner("new", A, at=LATER))
    assert twice[0].manager == ANCIENT_CHANGES
    assert len(twice[0].fields) == 3


def test_so_many_who_apply_are_never_mixed_up() -> None:
    owners = tuple(owner(f"m{n}", A, operation=APPLY) for n in range(MAX_APPLIERS))
    everyone = (*owners, owner("u", DESCRIPTION), owner("v", DECRYPTERS))
    before = {A: "1", B: "1", DESCRIPTION: "d", DECRYPTERS: "e"}

    shared = after(everyone, before, before | {B: "2"}, updater("w"))
    with pytest.raises(InvalidArgumentError) as error:
        after(owners, {A: "1"}, {A: "1"}, applier("one-more", A))

    ancient = owner(ANCIENT_CHANGES, DECRYPTERS, DESCRIPTION)
    assert shared == (ancient, *owners, owner("w", B, at=LATER))
    (violation,) = error.value.violations
    assert (violation.field, violation.rule) == ("metadata.managedFields", Rule.TOO_MANY)


def test_what_owners_weigh_is_bounded() -> None:
    many = {f"metadata.annotations[{'k' * 40}{n}]": "" for n in range(2_500)}

    with pytest.raises(InvalidArgumentError) as error:
        after((), {}, many, updater("m"))

    (violation,) = error.value.violations
    assert (violation.field, violation.rule) == ("metadata.managedFields", Rule.TOO_LONG)


PATHS = (DESCRIPTION, DECRYPTERS, A, B, "metadata.annotations[c/d]")
OBJECTS = st.dictionaries(st.sampled_from(PATHS), st.integers(0, 2))
MANAGERS = st.builds(
    FieldManager,
    name=st.sampled_from(["", *(f"m{n}" for n in range(30))]),
    api_version=st.just(VERSION),
    applied=st.none() | st.frozensets(st.sampled_from((*PATHS, VALUE)), max_size=6),
)
WRITES = st.lists(st.tuples(OBJECTS, MANAGERS, st.booleans()), max_size=60)


@given(WRITES)
def test_after_any_writes_owners_are_few_and_own_what_there_is(
    writes: list[tuple[dict[str, int], FieldManager, bool]],
) -> None:
    owners: tuple[FieldOwner, ...] = ()
    before: dict[str, int] = {}
    for number, (now, manager, with_value) in enumerate(writes):
        changes = changes_between(
            before, now, rewritten=frozenset({VALUE} if with_value else set())
        )
        at = NOON + timedelta(minutes=number)
        try:
            found = owners_after(owners, changes, manager=manager, at=at)
        except InvalidArgumentError:
            assert manager.applied is not None
            continue
        _check(found, owners, manager, now=now, changed=changes.changed)
        assert owners_after(found, changes_between(now, now), manager=manager, at=at) == found
        owners, before = found, now


def _check(
    owners: tuple[FieldOwner, ...],
    before: tuple[FieldOwner, ...],
    manager: FieldManager,
    *,
    now: Mapping[str, object],
    changed: frozenset[str],
) -> None:
    keys = [(o.manager, o.operation) for o in owners]
    assert len(owners) <= MAX_OWNERS
    assert len(set(keys)) == len(keys)
    assert all(o.fields == tuple(sorted(set(o.fields))) for o in owners)
    assert all(o.fields for o in owners)
    assert {f for o in owners for f in o.fields} <= now.keys() | {VALUE, DECRYPTERS}
    own = {f for o in owners if _is_of(o, manager) for f in o.fields}
    if manager.applied is not None and manager.name:
        assert own == manager.applied & (now.keys() | {VALUE, DECRYPTERS})
    elif manager.name:
        assert own >= changed
    others = {f for o in owners if not _is_of(o, manager) for f in o.fields}
    assert not others & changed
    # Nobody else gains anything; only ancient changes gather what others had.
    was = {(o.manager, o.operation): set(o.fields) for o in before}
    for each in owners:
        if not _is_of(each, manager) and each.manager != ANCIENT_CHANGES:
            assert set(each.fields) <= was[each.manager, each.operation]


def _is_of(each: FieldOwner, manager: FieldManager) -> bool:
    return (each.manager, each.operation) == (manager.name, manager.operation)


def test_the_version_of_the_api_is_that_of_the_last_write() -> None:
    owners = (owner("m", A),)
    manager = replace(updater("m"), api_version="secret.grafana.app/v1")

    (found,) = after(owners, {A: "1"}, {A: "2"}, manager)

    assert found.api_version == "secret.grafana.app/v1"


def moving(to: str, *managers: str) -> FieldManager:
    transfer = Transfer(to=to, managers=frozenset(managers))
    return FieldManager(name=to, api_version=VERSION, transfer=transfer)


def test_what_was_updated_becomes_applied_when_it_is_handed_over() -> None:
    owners = (
        owner("old", A, DESCRIPTION),
        owner("other", A),
        owner("new", B, operation=APPLY),
        owner("old", A, operation=APPLY),
    )
    fields = {A: "1", B: "1", DESCRIPTION: "d"}

    assert after(owners, fields, fields, moving("new", "old", "nobody")) == (
        owner("other", A),
        owner("old", A, operation=APPLY),
        owner("new", A, B, DESCRIPTION, operation=APPLY, at=LATER),
    )


def test_nothing_is_handed_over_by_who_owns_nothing() -> None:
    owners = (owner("other", A), owner("new", B, operation=APPLY))
    fields = {A: "1", B: "1"}

    assert after(owners, fields, fields, moving("new", "old")) == owners
