"""What the clients' tests share: the stack's kubeconfig and a namespace of their own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from splitkeep.issuer import ANY_NAME_PERMISSION
from tests.e2e.clients.kinds import KINDS, Kind
from tests.e2e.clients.kubeconfigs import write_kubeconfig
from tests.e2e.clients.kubectl import Kubectl, find_program
from tests.e2e.stack import Stack


@pytest.fixture(scope="module")
def namespace(request: pytest.FixtureRequest) -> str:
    """A namespace that no other file of tests uses."""
    return str(request.module.__name__).rpartition(".")[2].replace("_", "-")


@pytest.fixture(scope="module")
def kubeconfig(stack: Stack, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `splitkeep kubeconfig` wrote for this namespace."""
    file = tmp_path_factory.mktemp("kube") / "config"
    return write_kubeconfig(stack, file, "--namespace", namespace)


@pytest.fixture(scope="module")
def kubectl(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """An administrator's kubectl."""
    return Kubectl(find_program(os.environ), kubeconfig, tmp_path_factory.mktemp("home"))


@pytest.fixture(params=KINDS, ids=lambda kind: kind.singular)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of the two kinds."""
    chosen: Kind = request.param
    return chosen


@pytest.fixture(scope="module")
def decrypt(stack: Stack, namespace: str) -> Callable[[str], str]:
    """The value that the service on the list reads."""
    token = stack.token(
        *("--namespace", namespace),
        *("--service-identity", "k6-cloud"),
        *("--permission", ANY_NAME_PERMISSION),
    )

    def read(name: str) -> str:
        return stack.decrypt_here([name], token=token, namespace=namespace)[name]["value"]

    return read
