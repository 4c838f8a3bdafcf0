"""kubectl through both addresses of the gateway: below the prefix, and the server alone."""

import os
from pathlib import Path

import pytest

from tests.e2e.clients.kinds import SECURE_VALUE, a_manifest
from tests.e2e.clients.kubectl import Kubectl, find_program


@pytest.fixture(params=["below the prefix", "from before there was a prefix"])
def either_kubectl(request: pytest.FixtureRequest, kubeconfig: Path, tmp_path: Path) -> Kubectl:
    """An administrator's kubectl, by the address that its kubeconfig names."""
    text = kubeconfig.read_text()
    assert "/k8s\n" in text
    if request.param != "below the prefix":
        text = text.replace("/k8s\n", "\n")
    copy = tmp_path / "config"
    copy.write_text(text)
    return Kubectl(find_program(os.environ), copy, tmp_path)


def test_a_list_is_applied_and_read_and_watched(either_kubectl: Kubectl) -> None:
    both = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [a_manifest(SECURE_VALUE, name) for name in ("a", "b")],
    }

    either_kubectl("apply", "--server-side", "-f", "-", given=both)
    with either_kubectl.running("get", "securevalues", "-w") as watch:
        shown = [watch.line().split()[0] for _ in range(3)]
    listed = either_kubectl("get", "securevalues", "-o", "name").split()
    either_kubectl("delete", "-f", "-", given=both)

    assert shown == ["NAME", "a", "b"]
    assert listed == [SECURE_VALUE.full("a"), SECURE_VALUE.full("b")]


def test_kubectl_finds_and_explains_every_resource(either_kubectl: Kubectl) -> None:
    found = either_kubectl("api-resources", "-o", "name").split()
    explained = either_kubectl("explain", "securevalues.spec.decrypters")

    assert "securevalues.secret.grafana.app" in found
    assert "<[]string>" in explained


def test_kubectl_is_told_what_its_user_may(either_kubectl: Kubectl) -> None:
    assert either_kubectl("auth", "can-i", "create", "securevalues") == "yes\n"
    assert "securevalues" in either_kubectl("auth", "can-i", "--list")


def test_kubectl_is_told_who_its_user_is(either_kubectl: Kubectl) -> None:
    told = either_kubectl.json("auth", "whoami")["status"]["userInfo"]

    assert told["username"] == "user:admin"
    assert "Admin" in told["groups"]


def test_kubectl_knows_the_short_names_and_shows_who_may_read(either_kubectl: Kubectl) -> None:
    either_kubectl("apply", "--server-side", "-f", "-", given=a_manifest(SECURE_VALUE, "a"))
    head, *_ = either_kubectl("get", "sv").splitlines()
    either_kubectl("get", "kp")
    either_kubectl("delete", "sv", "a")

    assert "DECRYPTERS" in head.split()
