"""What kubectl tells of rights is what the server then does."""

import os
import re
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


def test_who_may_read_one_name_sees_that_one(kubectl: Kubectl, reader_of_one: Kubectl) -> None:
    for name in ("can-read", "cannot-read"):
        kubectl("create", "-f", "-", given=a_manifest(SECURE_VALUE, name))

    assert reader_of_one("auth", "can-i", "get", "securevalues/can-read") == "yes\n"
    refusal = reader_of_one.fails("auth", "can-i", "get", "securevalues/cannot-read")
    assert refusal.startswith("no")
    assert reader_of_one("get", "securevalues", "-o", "name").splitlines() == [
        SECURE_VALUE.full("can-read")
    ]
    assert "(Forbidden)" in reader_of_one.fails("get", "securevalue", "cannot-read")
