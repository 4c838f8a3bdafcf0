"""What kubectl tells of rights is what the server then does."""

import os
from pathlib import Path

import pytest

from tests.e2e.clients.kinds import SECURE_VALUE, Kind, a_manifest
from tests.e2e.clients.kubeconfigs import write_kubeconfig
from tests.e2e.clients.kubectl import Kubectl, find_program
from tests.e2e.stack import Stack

ONE_NAME = "secret.securevalues:read=secret.securevalues:uid:can-read"


@pytest.fixture(scope="module")
def reader(stack: Stack, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """Somebody who may read secure values and nothing else."""
    file = tmp_path_factory.mktemp("reader") / "config"
    role = ("--role", "fixed:secret.securevalues:reader")
    write_kubeconfig(stack, file, "--namespace", namespace, *role)
    return Kubectl(find_program(os.environ), file, tmp_path_factory.mktemp("reader-home"))


@pytest.fixture
def reader_of_one(stack: Stack, namespace: str, tmp_path: Path) -> Kubectl:
    """Somebody who may read one secure value."""
    file = tmp_path / "config"
    write_kubeconfig(stack, file, "--namespace", namespace, "--grant", ONE_NAME)
    return Kubectl(find_program(os.environ), file, tmp_path)


@pytest.mark.parametrize(
    "verb", ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
)
def test_an_administrator_can_do_everything(kubectl: Kubectl, kind: Kind, verb: str) -> None:
    assert kubectl("auth", "can-i", verb, kind.plural) == "yes\n"


def test_an_administrator_can_activate(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "keepers", "--subresource=activate") == "yes\n"


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_a_reader_can_read(reader: Kubectl, verb: str) -> None:
    assert reader("auth", "can-i", verb, "securevalues") == "yes\n"


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete", "deletecollection"])
def test_a_reader_cannot_write(reader: Kubectl, verb: str) -> None:
    assert reader.fails("auth", "can-i", verb, "securevalues").startswith("no")


def test_a_reader_cannot_read_the_other_kind_or_elsewhere(reader: Kubectl) -> None:
    assert reader.fails("auth", "can-i", "get", "keepers").startswith("no")
    assert reader.fails("auth", "can-i", "get", "securevalues", "-n", "other").startswith("no")


def test_a_readers_rights_are_listed(reader: Kubectl) -> None:
    rows = [line.split() for line in reader("auth", "can-i", "--list").splitlines()]

    (row,) = [row for row in rows if row[0] == "securevalues.secret.grafana.app"]
    assert {"get", "list", "watch"} <= set(
        " ".join(row).replace("[", " ").replace("]", " ").split()
    )
    assert "create" not in " ".join(row)
    assert not [row for row in rows if row[0].startswith("keepers")]


def test_a_reader_is_refused_what_it_cannot_do(reader: Kubectl, kind: Kind) -> None:
    assert "(Forbidden)" in reader.fails(
        "create", "-f", "-", "--validate=false", given=a_manifest(kind, "refused")
    )
    assert "(Forbidden)" in reader.fails("get", "keepers")
    assert reader("get", "securevalues", "--ignore-not-found", "-o", "name") is not None


def test_who_may_read_one_name_sees_that_one(kubectl: Kubectl, reader_of_one: Kubectl) -> None:
    for name in ("can-read", "cannot-read"):
        kubectl("create", "-f", "-", given=a_manifest(SECURE_VALUE, name))

    assert reader_of_one("auth", "can-i", "get", "securevalues/can-read") == "yes\n"
    assert reader_of_one.fails("auth", "can-i", "get", "securevalues/cannot-read") == "no\n"
    assert reader_of_one("get", "securevalues", "-o", "name").splitlines() == [
        SECURE_VALUE.full("can-read")
    ]
    assert "(Forbidden)" in reader_of_one.fails("get", "securevalue", "cannot-read")
