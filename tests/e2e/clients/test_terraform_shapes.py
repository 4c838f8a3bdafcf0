"""The requests of the Terraform provider and of gcx get the answers that those tools need."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from splitkeep.issuer import ANY_NAME_PERMISSION
from tests.e2e.clients.exchanges import Player, load
from tests.e2e.stack import ROOT, Stack, a_canary

FILES = sorted((ROOT / "tests" / "vectors" / "terraform").glob("*.json"))
ALL_NAMESPACES = ("--namespace", "*")


@pytest.fixture(scope="module")
def http(stack: Stack) -> Iterator[httpx2.Client]:
    """An administrator of every namespace."""
    with stack.http(stack.token("--role", "Admin", *ALL_NAMESPACES)) as client:
        yield client


@pytest.fixture(scope="module")
def services_token(stack: Stack) -> str:
    """The token of a service that may decrypt everywhere."""
    return stack.token(
        "--service-identity", "k6-cloud", "--permission", ANY_NAME_PERMISSION, *ALL_NAMESPACES
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_story_of_a_client_ends_well(
    stack: Stack, http: httpx2.Client, services_token: str, file: Path
) -> None:
    # The namespaces that the provider makes of a stack's id.
    namespace = f"stacks-{FILES.index(file) + 1}"

    def decrypt(name: str) -> str:
        read = stack.decrypt_here([name], token=services_token, namespace=namespace)
        return read[name]["value"]

    values = {"VALUE_1": a_canary(), "VALUE_2": a_canary()}
    url = stack.url.removesuffix("default") + namespace

    Player(http, url, decrypt, {"NAMESPACE": namespace} | values).play(load(file))


def test_there_are_stories() -> None:
    assert len(FILES) == 11
