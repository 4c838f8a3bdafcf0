"""What kubectl tells of rights is what the server then does."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.e2e.clients.kinds import API_VERSION, GROUP, KINDS, SECURE_VALUE, Kind, a_manifest
from tests.e2e.clients.kubeconfigs import write_kubeconfig
from tests.e2e.clients.kubectl import Kubectl, find_program
from tests.e2e.stack import Stack

CONDITION = "a selector of anything but names needs the right to read, too"


@pytest.fixture(scope="module")
def somebody(
    stack: Stack, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Kubectl]:
    """The kubectl of somebody who has these rights and no others."""

    def with_rights(*rights: str) -> Kubectl:
        home = tmp_path_factory.mktemp("somebody")
        words = [word for right in rights for word in ("--grant", right)]
        write_kubeconfig(stack, home / "config", "--namespace", namespace, *words)
        return Kubectl(find_program(os.environ), home / "config", home)

    return with_rights


@pytest.fixture(scope="module")
def reader(somebody: Callable[..., Kubectl]) -> Kubectl:
    """Somebody who may read secure values and nothing else."""
    return somebody(a_right(SECURE_VALUE, "read"))


def a_right(kind: Kind, verb: str, name: str = "") -> str:
    """A grant in the words of the command line; without a name, of every name."""
    resource = f"secret.{kind.plural}"
    return f"{resource}:{verb}={resource}:{f'uid:{name}' if name else '*'}"


def test_an_administrator_can_do_everything(kubectl: Kubectl, kind: Kind) -> None:
    for verb in ("list", "create", "deletecollection"):
        assert kubectl("auth", "can-i", verb, kind.plural) == "yes\n"


def test_an_administrator_can_activate(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "keepers", "--subresource=activate") == "yes\n"


def test_a_reader_can_read_one_kind_in_one_namespace(reader: Kubectl) -> None:
    assert reader("auth", "can-i", "watch", "securevalues") == "yes\n"
    for what in (
        ("patch", "securevalues"),
        ("get", "keepers"),
        ("get", "securevalues", "--namespace=other"),
    ):
        assert reader.fails("auth", "can-i", *what).startswith("no")


def test_a_readers_rights_are_listed(reader: Kubectl) -> None:
    rows = [line.split() for line in reader("auth", "can-i", "--list").splitlines()]

    (row,) = [row for row in rows if row[0] == "securevalues.secret.grafana.app"]
    assert {"get", "list", "watch"} <= set(re.findall(r"\w+", " ".join(row[1:])))
    assert "create" not in " ".join(row)
    assert not [row for row in rows if row[0].startswith("keepers")]


def test_a_reader_is_refused_what_it_cannot_do(reader: Kubectl, kind: Kind) -> None:
    assert "(Forbidden)" in reader.fails("create", "-f", "-", given=a_manifest(kind, "refused"))
    assert "(Forbidden)" in reader.fails("get", "keepers")


def test_who_may_read_one_name_sees_that_one(
    kubectl: Kubectl, somebody: Callable[..., Kubectl]
) -> None:
    reader_of_one = somebody(a_right(SECURE_VALUE, "read", "can-read"))
    for name in ("can-read", "cannot-read"):
        kubectl("create", "-f", "-", given=a_manifest(SECURE_VALUE, name))

    assert reader_of_one("auth", "can-i", "get", "securevalues/can-read") == "yes\n"
    refusal = reader_of_one.fails("auth", "can-i", "get", "securevalues/cannot-read")
    assert refusal.startswith("no")
    assert reader_of_one("get", "securevalues", "-o", "name").splitlines() == [
        SECURE_VALUE.full("can-read")
    ]
    assert "(Forbidden)" in reader_of_one.fails("get", "securevalue", "cannot-read")


@dataclass(frozen=True, slots=True)
class Deleter:
    """What somebody may, what is told of it, and what each delete leaves of ONE and OTHER."""

    granted: tuple[str, ...]
    reason: str
    by_selector: set[str] | None
    by_nothing: set[str] | None


ONE, OTHER = "one", "other"
REFUSED = None
NOT_GRANTED = "no role or grant covers it"
DELETERS = {
    "delete": Deleter(("delete",), CONDITION, REFUSED, set()),
    "delete and read": Deleter(("delete", "read"), "", {OTHER}, set()),
    "delete one": Deleter(("delete one",), CONDITION, REFUSED, {OTHER}),
    "delete one and read all": Deleter(("delete one", "read"), "", {OTHER}, {OTHER}),
    "delete all and read one": Deleter(("delete", "read one"), CONDITION, {OTHER}, set()),
    "read": Deleter(("read",), NOT_GRANTED, REFUSED, REFUSED),
    "nothing": Deleter((), NOT_GRANTED, REFUSED, REFUSED),
}


@pytest.mark.parametrize("rights", DELETERS)
def test_who_asks_to_delete_a_collection_is_told_what_then_happens(
    kubectl: Kubectl, somebody: Callable[..., Kubectl], kind: Kind, namespace: str, rights: str
) -> None:
    deleter = DELETERS[rights]
    granted = [a_right(kind, *right.split()) for right in deleter.granted]
    caller = somebody(*granted, *(a_right(other, "delete") for other in KINDS if other != kind))
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/{kind.plural}"

    assert told_of_deleting(caller, kind, namespace) == deleter.reason
    for query, left in (
        ("?labelSelector=is=one", deleter.by_selector),
        ("", deleter.by_nothing),
    ):
        items = [a_manifest(kind, name, labels={"is": name}) for name in (ONE, OTHER)]
        kubectl("delete", "--raw", path)
        kubectl("create", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": items})
        if left is REFUSED:
            assert "(Forbidden)" in caller.fails("delete", "--raw", path + query)
        else:
            caller("delete", "--raw", path + query)
        remaining = {ONE, OTHER} if left is REFUSED else left
        names = kubectl("get", kind.plural, "-o", "name").split()
        assert set(names) == {kind.full(name) for name in remaining}


def told_of_deleting(caller: Kubectl, kind: Kind, namespace: str) -> str:
    """The reason, once `can-i`, which shows it with a no only, has said the same."""
    attributes = {"namespace": namespace, "group": GROUP, "resource": kind.plural}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes | {"verb": "deletecollection"}},
    }
    status = caller.json("create", "-f", "-", given=review)["status"]
    reason: str = status.get("reason", "")
    asked = ("auth", "can-i", "deletecollection", kind.plural)
    if status["allowed"]:
        assert caller(*asked) == "yes\n"
    else:
        assert caller.fails(*asked).startswith(f"no - {reason}\n")
    return reason


def test_who_may_write_and_not_read_replaces_and_edits(
    kubectl: Kubectl, somebody: Callable[..., Kubectl], namespace: str, kind: Kind
) -> None:
    """Every other command of kubectl reads first."""
    writer = somebody(a_right(kind, "write"))
    kubectl("create", "-f", "-", given=a_manifest(kind, "unread", labels={"a": "1"}))
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/{kind.plural}/unread/edit"
    edit = {"labels": {"put": {"b": "1"}, "remove": ["a"]}}

    for command in (
        ("label", kind.singular, "unread", "c=1"),
        ("annotate", kind.singular, "unread", "c=1"),
        ("patch", kind.singular, "unread", "--type=merge", "-p", "{}"),
        ("apply", "-f", "-"),
        ("apply", "--server-side", "-f", "-"),
    ):
        assert "is forbidden" in writer.fails(*command, given=kind.manifest("unread"))
    told = writer("create", "--raw", path, "-f", "-", given=edit)

    assert "spec" not in told
    assert kubectl.json("get", kind.singular, "unread")["metadata"]["labels"] == {"b": "1"}
    writer("replace", "-f", "-", given=kind.manifest("unread", description="replaced"))
    assert kubectl.json("get", kind.singular, "unread")["spec"]["description"] == "replaced"
    assert writer("auth", "can-i", "create", kind.plural, "--subresource=edit") == "yes\n"
