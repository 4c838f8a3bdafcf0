"""What kubectl changes of both kinds, and what it is refused."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.e2e.clients.kinds import KEEPER, SECURE_VALUE, Kind, a_manifest
from tests.e2e.clients.kubectl import Kubectl
from tests.e2e.stack import a_canary

FROM_FILE = ("-f", "-")


def make(kubectl: Kubectl, kind: Kind, name: str, **changes: object) -> None:
    kubectl("create", *FROM_FILE, given=a_manifest(kind, name, **changes))


def description(kubectl: Kubectl, kind: Kind, name: str) -> str:
    return kubectl("get", kind.singular, name, "-o", "jsonpath={.spec.description}")


def test_one_file_creates_both_kinds(kubectl: Kubectl) -> None:
    both = [a_manifest(kind, "in-one-file") for kind in (SECURE_VALUE, KEEPER)]

    said = kubectl("create", *FROM_FILE, given=yaml.safe_dump_all(both))

    assert said.splitlines() == [
        f"{kind.full('in-one-file')} created" for kind in (SECURE_VALUE, KEEPER)
    ]


def test_a_second_create_of_a_name_is_refused(kubectl: Kubectl, kind: Kind) -> None:
    make(kubectl, kind, "twice")

    refusal = kubectl.fails("create", *FROM_FILE, given=a_manifest(kind, "twice"))

    assert "(AlreadyExists)" in refusal


def test_a_misspelt_field_is_refused(kubectl: Kubectl, kind: Kind) -> None:
    manifest = a_manifest(kind, "misspelt", descriptoin="oops")

    refusal = kubectl.fails("create", *FROM_FILE, given=manifest)

    assert 'unknown field "spec.descriptoin"' in refusal


def test_a_broken_rule_is_told_with_its_field(kubectl: Kubectl, kind: Kind) -> None:
    manifest = a_manifest(kind, "ruled-out", description="")

    refusal = kubectl.fails("create", *FROM_FILE, "--validate=false", given=manifest)

    assert "spec.description: Required value" in refusal


def test_a_trial_writes_nothing(kubectl: Kubectl, kind: Kind) -> None:
    trial = ("--dry-run=server",)

    said = kubectl("create", *FROM_FILE, *trial, given=a_manifest(kind, "trial"))

    assert said == f"{kind.full('trial')} created (server dry run)\n"
    assert "(NotFound)" in kubectl.fails("get", kind.singular, "trial")
    make(kubectl, kind, "trial")
    kubectl("delete", kind.singular, "trial", *trial)
    kubectl("label", kind.singular, "trial", *trial, "kept=1")
    assert "labels" not in kubectl.json("get", kind.singular, "trial")["metadata"]


def test_an_editor_changes_an_object(kubectl: Kubectl, kind: Kind) -> None:
    make(kubectl, kind, "edited")

    said = kubectl("edit", kind.singular, "edited", KUBE_EDITOR="sed -i s/made.by/edited.by/")

    assert said == f"{kind.full('edited')} edited\n"
    assert description(kubectl, kind, "edited") == "edited.by a client"


def test_an_editor_writes_a_new_value(kubectl: Kubectl, decrypt: Callable[[str], str]) -> None:
    make(kubectl, SECURE_VALUE, "new-value")
    value = a_canary()
    add_line = f"sed -i 's/^  description:/  value: {value}\\n  description:/'"

    kubectl("edit", "securevalue", "new-value", KUBE_EDITOR=add_line)

    assert decrypt("new-value") == value


def test_a_refused_edit_is_opened_again_with_its_reasons(
    kubectl: Kubectl, kind: Kind, tmp_path: Path
) -> None:
    make(kubectl, kind, "unedited")
    seen, editor = tmp_path / "seen", tmp_path / "editor"
    editor.write_text(f"cat $1 >> {seen}; sed -i s/description:.*/description:/ $1\n")

    refusal = kubectl.fails("edit", kind.singular, "unedited", KUBE_EDITOR=f"sh {editor}")

    assert "Edit cancelled" in refusal
    assert "# * spec.description: Required value" in seen.read_text()
    assert description(kubectl, kind, "unedited") == "made by a client"


@pytest.mark.parametrize(("verb", "place"), [("label", "labels"), ("annotate", "annotations")])
def test_labels_and_annotations_come_and_go(
    kubectl: Kubectl, kind: Kind, verb: str, place: str
) -> None:
    name = f"to-{verb}"
    make(kubectl, kind, name)

    def found() -> dict[str, str]:
        kept: dict[str, str] = kubectl.json("get", kind.singular, name)["metadata"].get(place)
        return {key: value for key, value in (kept or {}).items() if "grafana.app/" not in key}

    kubectl(verb, kind.singular, name, "env=dev", "tier=db")
    assert found() == {"env": "dev", "tier": "db"}
    assert "overwrite" in kubectl.fails(verb, kind.singular, name, "env=prod")
    kubectl(verb, kind.singular, name, "env=prod", "tier-", "--overwrite")
    assert found() == {"env": "prod"}


def test_a_merge_patch_and_a_json_patch_change_an_object(kubectl: Kubectl, kind: Kind) -> None:
    make(kubectl, kind, "patched", labels={"a": "1"})
    merge = {"metadata": {"labels": {"a": None, "b": "1"}}, "spec": {"description": "merged"}}
    replace = [{"op": "replace", "path": "/spec/description", "value": "replaced"}]

    kubectl("patch", kind.singular, "patched", "--type=merge", "-p", json.dumps(merge))
    assert description(kubectl, kind, "patched") == "merged"
    kubectl("patch", kind.singular, "patched", "--type=json", "-p", json.dumps(replace))

    assert description(kubectl, kind, "patched") == "replaced"
    found = kubectl.json("get", kind.singular, "patched")
    assert found["metadata"]["labels"] == {"b": "1"}


@pytest.mark.parametrize("form", ["json", "merge"])
def test_a_patch_writes_a_new_value(
    kubectl: Kubectl, decrypt: Callable[[str], str], form: str
) -> None:
    name, value = f"value-by-{form}", a_canary()
    make(kubectl, SECURE_VALUE, name)
    patches = {
        "json": [{"op": "add", "path": "/spec/value", "value": value}],
        "merge": {"spec": {"value": value}},
    }

    kubectl("patch", "securevalue", name, f"--type={form}", "-p", json.dumps(patches[form]))

    assert decrypt(name) == value


def test_a_strategic_patch_is_refused_with_what_to_use_instead(
    kubectl: Kubectl, kind: Kind
) -> None:
    make(kubectl, kind, "strategic")
    patch = json.dumps({"spec": {"description": "x"}})

    refusal = kubectl.fails(
        "patch", kind.singular, "strategic", "--type=strategic", "-p", patch
    )

    assert "application/merge-patch+json" in refusal


def test_an_old_copy_does_not_replace_a_newer(kubectl: Kubectl, kind: Kind) -> None:
    make(kubectl, kind, "replaced")
    old = kubectl.json("get", kind.singular, "replaced")
    old["spec"]["description"] = "from a copy"

    kubectl("replace", *FROM_FILE, given=old)
    assert description(kubectl, kind, "replaced") == "from a copy"

    assert "(Conflict)" in kubectl.fails("replace", *FROM_FILE, given=old)


def test_a_name_and_a_selector_delete(kubectl: Kubectl, kind: Kind) -> None:
    for name, labels in (("gone-1", {"gone": "1"}), ("gone-2", {"gone": "1"}), ("gone-3", {})):
        make(kubectl, kind, name, labels=labels)

    said = kubectl("delete", kind.singular, "gone-3", "--wait=true")
    assert re.match(f'{kind.full("")[:-1]} "gone-3" deleted', said)
    kubectl("delete", kind.plural, "-l", "gone=1")

    assert kubectl("get", kind.plural, "-l", "gone=1", "-o", "name") == ""
    assert "(NotFound)" in kubectl.fails("delete", kind.singular, "gone-3")
    kubectl("delete", kind.singular, "gone-3", "--ignore-not-found")


def test_a_wait_ends_with_the_deletion(kubectl: Kubectl, kind: Kind) -> None:
    make(kubectl, kind, "awaited")
    waiting = ("wait", f"{kind.singular}/awaited", "--for=delete", "--timeout=30s", "-v=6")

    with kubectl.running(*waiting) as wait:
        wait.says("watch=true")
        kubectl("delete", kind.singular, "awaited", "--wait=false")

        assert wait.ends() == 0


def test_a_wait_ends_with_a_change(kubectl: Kubectl) -> None:
    make(kubectl, SECURE_VALUE, "changing")
    waiting = ("wait", "securevalue/changing", "--for=jsonpath={.status.version}=2")

    with kubectl.running(*waiting, "--timeout=30s", "-v=6") as wait:
        wait.says("watch=true")
        kubectl("apply", *FROM_FILE, given=a_manifest(SECURE_VALUE, "changing"))

        assert wait.ends() == 0


def test_a_keeper_is_activated_and_the_systems_returns(
    kubectl: Kubectl, namespace: str
) -> None:
    make(kubectl, KEEPER, "activated")
    keepers = f"/apis/secret.grafana.app/v1beta1/namespaces/{namespace}/keepers"
    active = ("get", "keeper", "activated", "-o", "jsonpath={.status.active}")

    kubectl("create", "--raw", f"{keepers}/activated/activate", *FROM_FILE, given={})
    assert kubectl(*active) == "true"
    kubectl("create", "--raw", f"{keepers}/system/activate", *FROM_FILE, given={})

    assert kubectl(*active) in {"false", ""}


def test_everything_is_deleted_at_once(kubectl: Kubectl, kind: Kind) -> None:
    make(kubectl, kind, "one-of-all")

    kubectl("delete", kind.plural, "--all")

    assert kubectl("get", kind.plural, "-o", "name") == ""
