"""Server-side apply: who owns what, who minds, and what is given up."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gateway.bodies.request_tree import NotText
from gateway.errors import ApplyConflictError, BadRequestError
from gateway.kinds import SECURE_VALUE, Target
from gateway.patches.field_sets import object_of_fields, owned_fields
from gateway.patches.patch import Live
from gateway.patches.server_side_apply import ApplyPatch, apply_patch_from
from gateway.representation.last_applied import LAST_APPLIED
from gateway.representation.managed_fields import fields_v1, managed_fields_to_json, path_parts
from gateway.status import failure_of
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldOwner, OwnerOperation

SPEC = ("description", "value", "ref", "decrypters")
API = "secret.grafana.app/v1beta1"
AT = Timestamp(seconds=1_771_200_000)
APPLY = OwnerOperation.OWNER_OPERATION_APPLY
UPDATE = OwnerOperation.OWNER_OPERATION_UPDATE
MARK = "never-quoted"

LIVE: dict[str, object] = {
    "apiVersion": API,
    "kind": "SecureValue",
    "metadata": {"name": "a", "labels": {"team": "x", "env": "prod"}, "uid": "u"},
    "spec": {"description": "d", "decrypters": ["k6-cloud"]},
    "status": {"version": 1},
}


def owner(name: str, *paths: str, operation: Any = UPDATE) -> FieldOwner:
    return FieldOwner(manager=name, operation=operation, api_version=API, at=AT, fields=paths)


def applied(tree: Any, *, manager: str = "me", force: bool = False) -> ApplyPatch:
    return apply_patch_from(tree, manager=manager, spec_fields=SPEC, force=force)


def made(patch: ApplyPatch, *owners: FieldOwner) -> Any:
    return patch.made_on(Live(tree=LIVE, owners=owners))


def test_what_is_applied_joins_what_is_there() -> None:
    result = made(applied({"metadata": {"labels": {"stage": "1"}}, "spec": {"ref": "r"}}))

    assert result["metadata"]["labels"] == {"team": "x", "env": "prod", "stage": "1"}
    assert result["spec"] == {"description": "d", "decrypters": ["k6-cloud"], "ref": "r"}


def test_a_field_that_i_leave_out_and_nobody_else_owns_is_removed() -> None:
    mine = owner(
        "me", "metadata.labels[team]", "metadata.labels[env]", "spec.decrypters",
        operation=APPLY,
    )  # fmt: skip

    result = made(
        applied({"metadata": {"labels": {"env": "prod"}}}),
        mine,
        owner("other", "spec.decrypters"),
    )

    assert result["metadata"]["labels"] == {"env": "prod"}
    assert result["spec"]["decrypters"] == ["k6-cloud"]


def test_what_i_updated_is_not_what_i_applied() -> None:
    result = made(applied({"spec": {"description": "d"}}), owner("me", "metadata.labels[env]"))

    assert result["metadata"]["labels"] == {"team": "x", "env": "prod"}


def test_a_value_that_i_leave_out_is_not_removed() -> None:
    mine = owner("me", "spec.value", operation=APPLY)

    assert "value" not in made(applied({"spec": {"description": "d"}}), mine)["spec"]


def conflicts_of(patch: ApplyPatch, *owners: FieldOwner) -> Any:
    with pytest.raises(ApplyConflictError) as refused:
        made(patch, *owners)
    target = Target(kind=SECURE_VALUE, version="v1beta1", namespace="default", name="a")
    return failure_of(refused.value, target=target, request_id="r").body


def test_a_field_of_another_that_would_change_is_a_conflict_in_kubernetes_words() -> None:
    patch = applied({"spec": {"description": MARK}})

    body = conflicts_of(patch, owner("kubectl-edit", "spec.description"))

    whose = f'conflict with "kubectl-edit" using {API} at 2026-02-16T00:00:00Z'
    assert (body["code"], body["reason"]) == (409, "Conflict")
    assert body["message"] == f"Apply failed with 1 conflict: {whose}: .spec.description"
    assert body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": whose, "field": ".spec.description"}
    ]


def test_several_conflicts_are_told_together_by_owner() -> None:
    patch = applied(
        {"spec": {"description": "n"}, "metadata": {"labels": {"team": "n", "env": "n"}}}
    )

    body = conflicts_of(
        patch,
        owner("b", "metadata.labels[team]", "metadata.labels[env]"),
        owner("a", "spec.description", operation=APPLY),
    )

    assert body["message"] == (
        'Apply failed with 3 conflicts: conflicts with "a":\n- .spec.description\n'
        f'conflicts with "b" using {API} at 2026-02-16T00:00:00Z:\n'
        "- .metadata.labels.env\n- .metadata.labels.team"
    )
    assert len(body["details"]["causes"]) == 3


@pytest.mark.parametrize(
    "tree",
    [
        {"spec": {"description": "d"}},
        {"spec": {"decrypters": ["k6-cloud"]}},
        {"metadata": {"labels": {"team": "x"}}},
        {"spec": {"description": None, "decrypters": None}},
    ],
)
def test_the_same_content_is_no_conflict_but_shared(tree: Any) -> None:
    others = owner("o", "spec.description", "spec.decrypters", "metadata.labels[team]")

    made(applied(tree), others)


def test_a_value_of_another_is_a_conflict_whatever_it_is() -> None:
    patch = applied({"spec": {"value": MARK}})

    body = conflicts_of(patch, owner("o", "spec.value"))

    assert body["details"]["causes"][0]["field"] == ".spec.value"
    assert MARK not in str(body)


def test_force_takes_over() -> None:
    patch = applied({"spec": {"description": "n", "value": MARK}}, force=True)

    result = made(patch, owner("o", "spec.description", "spec.value"))

    assert result["spec"]["description"] == "n"


def test_the_same_name_that_updated_is_another_owner() -> None:
    conflicts_of(applied({"spec": {"description": "n"}}), owner("me", "spec.description"))
    made(
        applied({"spec": {"description": "n"}}),
        owner("me", "spec.description", operation=APPLY),
    )


def test_what_nobody_can_own_is_handed_on_to_be_refused() -> None:
    tree = {
        "metadata": {"ownerReferences": [{"kind": "K"}], "resourceVersion": "5"},
        "spec": {"azure": {}},
    }

    result = made(applied(tree))

    assert result["metadata"]["ownerReferences"] == [{"kind": "K"}]
    assert result["metadata"]["resourceVersion"] == "5"
    assert "uid" not in result["metadata"]
    assert result["spec"]["azure"] == {}


def test_what_kubectl_repeats_is_neither_owned_nor_written() -> None:
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": MARK, "mine": "1"}
    patch = applied({"metadata": {"annotations": annotations}})

    assert patch.paths == ("metadata.annotations[mine]",)
    assert made(patch)["metadata"]["annotations"] == {"mine": "1"}


@pytest.mark.parametrize(
    "tree", [{"metadata": {"labels": ["a"]}}, {"metadata": {"labels": {"a": 1}}}, {"spec": []}]
)
def test_a_wrong_type_is_a_bad_request(tree: Any) -> None:
    with pytest.raises(BadRequestError):
        applied(tree)


def test_what_is_applied_does_not_print() -> None:
    assert MARK not in repr(applied({"spec": {"value": MARK}, "metadata": {}}))


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
maps = st.dictionaries(keys, st.text(max_size=3), max_size=4)


@given(maps, maps, st.dictionaries(st.sampled_from(SPEC), st.text(max_size=3)))
def test_an_object_is_its_fields(
    labels: dict[str, str], annotations: dict[str, str], spec: dict[str, str]
) -> None:
    tree = {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}

    assert object_of_fields(owned_fields(tree, SPEC)) == tree


@given(st.sampled_from(["labels", "annotations"]), keys)
def test_a_key_of_any_text_is_one_part_of_its_path(place: str, key: str) -> None:
    assert path_parts(f"metadata.{place}[{key}]") == ["metadata", place, key]


def test_owners_are_shown_as_fields_v1() -> None:
    owners = [
        owner("kubectl", "spec.description", "metadata.labels[a.b/c]", operation=APPLY),
        FieldOwner(manager="old", operation=UPDATE, api_version=API, fields=["spec.value"]),
    ]

    assert managed_fields_to_json(owners) == [
        {
            "manager": "kubectl",
            "operation": "Apply",
            "apiVersion": API,
            "time": "2026-02-16T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:spec": {"f:description": {}},
                "f:metadata": {"f:labels": {"f:a.b/c": {}}},
            },
        },
        {
            "manager": "old",
            "operation": "Update",
            "apiVersion": API,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:value": {}}},
        },
    ]
    assert fields_v1([]) == {}


@pytest.mark.parametrize("manager", ["kubectl", "kubectl-last-applied"])
def test_kubectl_does_not_conflict_with_its_own_client_side_apply(manager: str) -> None:
    patch = applied({"spec": {"description": "new", "value": "v"}}, manager=manager)
    before = owner("kubectl-client-side-apply", "spec.description", "spec.value")

    assert made(patch, before)["spec"]["description"] == "new"
    conflicts_of(patch, owner("other", "spec.value"))
    conflicts_of(applied({"spec": {"value": "v"}}, manager="other"), before)


BEFORE = '{"kind":"SecureValue"}'


def applied_last(patch: ApplyPatch, annotations: dict[str, str]) -> Any:
    live = LIVE | {"metadata": {"name": "a", "annotations": annotations}}
    result: Any = patch.made_on(Live(tree=live, owners=()))
    return result["metadata"]["annotations"].get(LAST_APPLIED)


def test_what_kubectl_applies_is_remembered_for_a_client_side_apply_as_kubectl_writes_it() -> (
    None
):
    tree = {
        "kind": "SecureValue",
        "apiVersion": API,
        "metadata": {"namespace": "default", "name": "a", "labels": {"z": "1", "é": "2"}},
        "spec": {"value": MARK, "description": "d", "status": {"x": MARK}},
    }

    text = applied_last(applied(tree, manager="kubectl"), {LAST_APPLIED: BEFORE})

    assert text == (
        f'{{"apiVersion":"{API}","kind":"SecureValue","metadata":{{"annotations":{{}},'
        '"labels":{"z":"1","é":"2"},"name":"a","namespace":"default"},'
        '"spec":{"description":"d"}}\n'
    )


@pytest.mark.parametrize(
    ("manager", "before"), [("kubectl", {}), ("me", {LAST_APPLIED: BEFORE})]
)
def test_only_kubectl_is_remembered_and_only_where_it_applied_from_the_client_before(
    manager: str, before: dict[str, str]
) -> None:
    tree = {"apiVersion": API, "kind": "SecureValue", "spec": {"description": "d"}}

    assert applied_last(applied(tree, manager=manager), before) == before.get(LAST_APPLIED)


def test_what_is_no_json_is_not_remembered_and_left_to_be_refused() -> None:
    tree = {"kind": "SecureValue", "spec": {"description": NotText("a date")}}
    patch = applied(tree, manager="kubectl")

    text = applied_last(patch, {LAST_APPLIED: BEFORE})

    assert text == '{"kind":"SecureValue","metadata":{"annotations":{}},"spec":{}}\n'
