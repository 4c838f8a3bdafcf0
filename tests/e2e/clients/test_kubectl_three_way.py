"""What `kubectl apply` removes: kubectl's three-way merge, without a value kept anywhere."""

import json
from collections.abc import Callable
from typing import Any

from tests.e2e.clients.kinds import SECURE_VALUE, Kind, a_manifest
from tests.e2e.clients.kubectl import Kubectl
from tests.e2e.stack import a_canary

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
FROM_FILE = ("-f", "-")


def a_file(kind: Kind, name: str, annotations: Any = None, **changes: Any) -> dict[str, Any]:
    manifest = a_manifest(kind, name, **changes)
    if annotations:
        manifest["metadata"]["annotations"] = annotations
    return manifest


def test_apply_removes_what_left_the_file(kubectl: Kubectl, kind: Kind) -> None:
    first = a_file(kind, "narrower", {"a": "1", "b": "2"}, labels={"a": "1", "b": "2"})
    kubectl("apply", *FROM_FILE, given=first)
    kubectl("label", kind.singular, "narrower", "other=kept")
    kubectl("annotate", kind.singular, "narrower", "other=kept")

    second = a_file(kind, "narrower", {"b": "2"}, labels={"b": "2"}, description="changed")
    said, warning = kubectl.both("apply", *FROM_FILE, given=second)

    assert (said, warning) == (f"{kind.full('narrower')} configured\n", "")
    found = kubectl.json("get", kind.singular, "narrower")
    assert found["metadata"]["labels"] == {"b": "2", "other": "kept"}
    annotations = found["metadata"]["annotations"]
    assert {key: annotations.get(key) for key in ("a", "b", "other")} == {
        "a": None,
        "b": "2",
        "other": "kept",
    }
    assert found["spec"]["description"] == "changed"


def test_a_service_that_left_the_file_loses_its_access(kubectl: Kubectl) -> None:
    kubectl("apply", *FROM_FILE, given=a_file(SECURE_VALUE, "revoked", decrypters=["a", "b"]))
    kubectl("apply", *FROM_FILE, given=a_file(SECURE_VALUE, "revoked", decrypters=["b"]))
    found = kubectl.json("get", "securevalue", "revoked")
    assert found["spec"]["decrypters"] == ["b"]

    without = a_file(SECURE_VALUE, "revoked")
    del without["spec"]["decrypters"]
    kubectl("apply", *FROM_FILE, given=without)

    assert "decrypters" not in kubectl.json("get", "securevalue", "revoked")["spec"]


def test_a_file_with_a_value_writes_a_version_at_each_apply_and_one_without_none(
    kubectl: Kubectl, decrypt: Callable[[str], str]
) -> None:
    value = a_canary()
    with_value = a_file(SECURE_VALUE, "again", value=value)
    for version in (1, 2):
        kubectl("apply", *FROM_FILE, given=with_value)
        assert kubectl.json("get", "securevalue", "again")["status"]["version"] == version

    del with_value["spec"]["value"]
    for _ in range(2):
        said, warning = kubectl.both("apply", *FROM_FILE, given=with_value)
        assert (said, warning) == (f"{SECURE_VALUE.full('again')} unchanged\n", "")
    assert kubectl.json("get", "securevalue", "again")["status"]["version"] == 2
    assert decrypt("again") == value


def test_what_was_applied_last_is_shown_and_set_without_the_value(
    kubectl: Kubectl, kind: Kind
) -> None:
    name = "viewed"
    kubectl("create", "--save-config", *FROM_FILE, given=a_manifest(kind, name))
    shown = json.loads(kubectl("apply", "view-last-applied", kind.singular, name, "-o", "json"))
    assert shown == kind.manifest(name) | {
        "metadata": {"name": name, "namespace": shown["metadata"]["namespace"]}
        | ({"annotations": {}} if "annotations" in shown["metadata"] else {})
    }

    changed = a_manifest(kind, name, labels={"set": "1"})
    kubectl("apply", "set-last-applied", *FROM_FILE, given=changed)
    shown = json.loads(kubectl("apply", "view-last-applied", kind.singular, name, "-o", "json"))
    assert shown["metadata"]["labels"] == {"set": "1"}
    assert "value" not in shown["spec"]

    kubectl(
        *("apply", "edit-last-applied", kind.singular, name),
        KUBE_EDITOR="sed -i s/made.by.a.client/edited/",
    )
    shown = json.loads(kubectl("apply", "view-last-applied", kind.singular, name, "-o", "json"))
    assert shown["spec"]["description"] == "edited"


def test_prune_deletes_what_was_applied_and_left_the_files(
    kubectl: Kubectl, kind: Kind
) -> None:
    labels = {"prune": kind.singular}
    kept, left = (a_manifest(kind, name, labels=labels) for name in ("stays", "leaves"))
    by_hand = a_manifest(kind, "by-hand", labels=labels)
    both = {"apiVersion": "v1", "kind": "List", "items": [kept, left]}
    kubectl("apply", *FROM_FILE, given=both)
    kubectl("create", *FROM_FILE, given=by_hand)

    said = kubectl(
        *("apply", *FROM_FILE, "--prune", "-l", f"prune={kind.singular}"),
        f"--prune-allowlist=secret.grafana.app/v1beta1/{kind.name}",
        given=kept,
    )

    assert f"{kind.full('leaves')} pruned" in said
    names = kubectl("get", kind.plural, "-l", f"prune={kind.singular}", "-o", "name")
    assert names.split() == [kind.full("by-hand"), kind.full("stays")]


def test_other_commands_leave_what_was_applied_last(kubectl: Kubectl, kind: Kind) -> None:
    name = "others"
    kubectl("apply", *FROM_FILE, given=a_manifest(kind, name, labels={"a": "1"}))

    kubectl("replace", "--save-config", *FROM_FILE, given=a_manifest(kind, name))
    kubectl("edit", kind.singular, name, KUBE_EDITOR="sed -i s/made.by.a.client/edited/")

    shown = json.loads(kubectl("apply", "view-last-applied", kind.singular, name, "-o", "json"))
    assert "labels" not in shown["metadata"]
    assert "value" not in shown["spec"]
    kubectl("diff", *FROM_FILE, given=kubectl.json("get", kind.singular, name))


def test_moving_to_server_side_apply_takes_over_what_was_applied(
    kubectl: Kubectl, kind: Kind
) -> None:
    for manager in ("", "--field-manager=deployer"):
        name = f"moved{'-there' * bool(manager)}"
        first = a_file(kind, name, {"a": "1"}, labels={"a": "1", "b": "1"})
        kubectl("apply", *FROM_FILE, given=first)
        words = ("apply", *FROM_FILE, "--server-side", *([manager] if manager else []))
        moved = kind.manifest(name, labels={"a": "1", "b": "1"})

        said, warning = kubectl.both(*words, given=moved)
        assert (said, warning) == (f"{kind.full(name)} serverside-applied\n", "")
        kubectl(*words, given=kind.manifest(name, labels={"b": "1"}))

        found = kubectl.json("get", kind.singular, name, "--show-managed-fields")
        assert found["metadata"]["labels"] == {"b": "1"}
        assert "a" not in found["metadata"]["annotations"]
        managers = {owner["manager"] for owner in found["metadata"]["managedFields"]}
        assert "kubectl-client-side-apply" not in managers


def test_a_file_with_a_value_moves_to_server_side_apply_without_a_conflict(
    kubectl: Kubectl, decrypt: Callable[[str], str]
) -> None:
    kubectl("apply", *FROM_FILE, given=a_manifest(SECURE_VALUE, "moved-value"))
    value = a_canary()
    changed = a_manifest(SECURE_VALUE, "moved-value", value=value, description="changed")

    kubectl("apply", *FROM_FILE, "--server-side", given=changed)

    assert decrypt("moved-value") == value


def test_moving_back_from_server_side_apply_removes_what_left_the_file(
    kubectl: Kubectl, kind: Kind
) -> None:
    """As kube-apiserver does, a server-side apply by kubectl is remembered as applied last."""
    kubectl("apply", *FROM_FILE, given=a_file(kind, "back", labels={"a": "1"}))
    between = kind.manifest("back", labels={"a": "1", "b": "1"}, description="between")
    kubectl("apply", *FROM_FILE, "--server-side", given=between)

    kubectl("apply", *FROM_FILE, given=a_file(kind, "back", labels={"a": "1"}))

    assert kubectl.json("get", kind.singular, "back")["metadata"]["labels"] == {"a": "1"}
