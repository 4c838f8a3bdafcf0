"""What `kubectl apply` and `kubectl diff` do to both kinds, on either side."""

from collections.abc import Callable

import pytest

from tests.e2e.clients.kinds import SECURE_VALUE, Kind, a_manifest
from tests.e2e.clients.kubectl import Kubectl
from tests.e2e.stack import a_canary

FROM_FILE = ("-f", "-")


def description(kubectl: Kubectl, kind: Kind, name: str) -> str:
    return kubectl("get", kind.singular, name, "-o", "jsonpath={.spec.description}")


def test_apply_creates_and_changes(kubectl: Kubectl, kind: Kind) -> None:
    manifest = a_manifest(kind, "applied", labels={"old": "1"})
    said = kubectl("apply", *FROM_FILE, given=manifest)
    assert said == f"{kind.full('applied')} created\n"

    changed = a_manifest(kind, "applied", labels={"new": "1"}, description="changed")
    said, warning = kubectl.both("apply", *FROM_FILE, given=changed)

    assert said == f"{kind.full('applied')} configured\n"
    assert description(kubectl, kind, "applied") == "changed"
    assert warning == ""


def test_apply_on_the_server_reports_a_conflict(kubectl: Kubectl, kind: Kind) -> None:
    def apply(manager: str, *words: str, **spec: str) -> tuple[str, ...]:
        return ("apply", *FROM_FILE, "--server-side", f"--field-manager={manager}", *words)

    first = kind.manifest("shared") | {"spec": a_manifest(kind, "shared")["spec"]}
    said = kubectl(*apply("team-a"), given=first)
    assert said == f"{kind.full('shared')} serverside-applied\n"

    theirs = kind.manifest("shared", description="by team b")
    refusal = kubectl.fails(*apply("team-b"), given=theirs)
    assert 'conflict with "team-a"' in refusal
    assert ".spec.description" in refusal
    assert description(kubectl, kind, "shared") == "made by a client"

    kubectl(*apply("team-b", "--force-conflicts"), given=theirs)
    assert description(kubectl, kind, "shared") == "by team b"
    owners = kubectl.json("get", kind.singular, "shared", "--show-managed-fields")
    fields = {o["manager"]: o["fieldsV1"] for o in owners["metadata"]["managedFields"]}
    assert "f:description" in fields["team-b"]["f:spec"]
    assert "f:description" not in fields["team-a"]["f:spec"]


def test_what_a_manager_leaves_out_is_removed(kubectl: Kubectl, kind: Kind) -> None:
    apply = ("apply", *FROM_FILE, "--server-side", "--field-manager=team-a")
    kubectl(*apply, given=a_manifest(kind, "narrowed", labels={"a": "1", "b": "1"}))

    kubectl(*apply, given=kind.manifest("narrowed", labels={"b": "1"}))

    found = kubectl.json("get", kind.singular, "narrowed")
    assert found["metadata"]["labels"] == {"b": "1"}


def test_a_value_is_kept_when_an_apply_leaves_it_out(
    kubectl: Kubectl, decrypt: Callable[[str], str]
) -> None:
    value = a_canary()
    apply = ("apply", *FROM_FILE, "--server-side")
    kubectl(*apply, given=SECURE_VALUE.manifest("kept", value=value))

    kubectl(*apply, given=SECURE_VALUE.manifest("kept", description="without its value"))

    assert decrypt("kept") == value


@pytest.mark.parametrize("words", [(), ("--server-side",)], ids=["client", "server"])
def test_diff_shows_what_apply_would_change(
    kubectl: Kubectl, kind: Kind, words: tuple[str, ...]
) -> None:
    name = "differing" + "-there" * bool(words)
    kubectl("apply", *FROM_FILE, *words, given=a_manifest(kind, name))
    kubectl("apply", *FROM_FILE, *words, given=kind.manifest(name))

    difference = kubectl.fails(
        "diff", *FROM_FILE, *words, given=a_manifest(kind, name, description="changed")
    )

    assert "-  description: made by a client\n+  description: changed\n" in difference
    kubectl("diff", *FROM_FILE, *words, given=kind.manifest(name))
