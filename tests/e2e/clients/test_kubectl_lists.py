"""What kubectl does with `kind: List`, the form in which it shows and edits several objects."""

import pytest
import yaml

from tests.e2e.clients.kinds import Kind, a_manifest
from tests.e2e.clients.kubectl import Kubectl

FROM_FILE = ("-f", "-")
NAMES = ("of-two-1", "of-two-2")


@pytest.fixture(autouse=True)
def two_objects(kubectl: Kubectl, kind: Kind) -> None:
    """Two objects as they were made, whatever a test before did to them."""
    kubectl("delete", kind.plural, "--all")
    manifests = [a_manifest(kind, name) for name in NAMES]
    kubectl("create", *FROM_FILE, given=yaml.safe_dump_all(manifests))


def shown(kubectl: Kubectl, kind: Kind) -> str:
    """Both objects as kubectl writes them down."""
    return kubectl("get", kind.plural, "-o", "yaml")


def descriptions(kubectl: Kubectl, kind: Kind) -> list[str]:
    return [
        item["spec"]["description"] for item in yaml.safe_load(shown(kubectl, kind))["items"]
    ]


def said_of_both(kind: Kind, what: str) -> list[str]:
    return [f"{kind.full(name)} {what}" for name in NAMES]


def test_several_objects_are_shown_as_a_list(kubectl: Kubectl, kind: Kind) -> None:
    found = yaml.safe_load(shown(kubectl, kind))

    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    assert [item["metadata"]["name"] for item in found["items"]] == list(NAMES)


@pytest.mark.parametrize(
    "words", [(), ("--server-side", "--force-conflicts")], ids=["client", "server"]
)
def test_a_list_is_applied(kubectl: Kubectl, kind: Kind, words: tuple[str, ...]) -> None:
    changed = shown(kubectl, kind).replace("made by", "applied by")

    said = kubectl("apply", *FROM_FILE, *words, given=changed)

    assert said.splitlines() == said_of_both(
        kind, "serverside-applied" if words else "configured"
    )
    assert descriptions(kubectl, kind) == 2 * ["applied by a client"]


def test_a_list_replaces_what_there_is(kubectl: Kubectl, kind: Kind) -> None:
    changed = shown(kubectl, kind).replace("made by", "replaced by")

    said = kubectl("replace", *FROM_FILE, given=changed)

    assert said.splitlines() == said_of_both(kind, "replaced")
    assert descriptions(kubectl, kind) == 2 * ["replaced by a client"]


def test_a_list_creates_and_deletes(kubectl: Kubectl, kind: Kind) -> None:
    items = [a_manifest(kind, name) for name in ("new-1", "new-2")]
    both = {"apiVersion": "v1", "kind": "List", "items": items}

    kubectl("create", *FROM_FILE, given=both)
    assert kubectl("get", kind.plural, "new-1", "new-2", "-o", "name").split()
    kubectl("delete", *FROM_FILE, given=both)

    assert kubectl("get", kind.plural, "-o", "name").split() == [kind.full(n) for n in NAMES]


def test_a_list_as_it_was_shown_deletes(kubectl: Kubectl, kind: Kind) -> None:
    kubectl("delete", *FROM_FILE, given=shown(kubectl, kind))

    assert kubectl("get", kind.plural, "-o", "name") == ""


def test_what_a_list_would_change_is_told(kubectl: Kubectl, kind: Kind) -> None:
    changed = shown(kubectl, kind).replace("made by", "told by")

    difference = kubectl.fails("diff", *FROM_FILE, given=changed)

    assert difference.count("+  description: told by a client\n") == 2
    assert descriptions(kubectl, kind) == 2 * ["made by a client"]


def test_an_editor_changes_two_objects_at_once(kubectl: Kubectl, kind: Kind) -> None:
    said = kubectl("edit", kind.plural, *NAMES, KUBE_EDITOR="sed -i s/made.by/edited.by/")

    assert said.splitlines() == said_of_both(kind, "edited")
    assert descriptions(kubectl, kind) == 2 * ["edited.by a client"]
