"""Who gets in, from outside: tokens, roles, scopes and certificates."""

from pathlib import Path

import grpc
import pytest

from protos.splitkeep.metadata.v1 import vault_peer_pb2, vault_peer_pb2_grpc
from tests.e2e.stack import Stack, a_canary


def statuses(stack: Stack, token: str, name: str) -> dict[str, int]:
    """What each verb on a name answers to this token."""
    url = f"{stack.url}/securevalues"
    body = {"metadata": {"name": name}, "spec": {"description": "tried", "value": a_canary()}}
    with stack.http(token) as http:
        return {
            "list": http.get(url).status_code,
            "get": http.get(f"{url}/{name}").status_code,
            "put": http.put(f"{url}/{name}", json=body).status_code,
            "delete": http.delete(f"{url}/{name}").status_code,
            "create": http.post(url, json=body).status_code,
        }


@pytest.mark.parametrize("name", ["present", "absent"])
def test_without_a_right_every_name_is_forbidden_alike(stack: Stack, name: str) -> None:
    stack.create("present", a_canary())
    token = stack.token("--role", "fixed:secret.keepers:reader")

    answers = statuses(stack, token, name)

    assert answers == dict.fromkeys(["list", "get", "put", "delete", "create"], 403)


def test_a_reader_reads_and_changes_nothing(stack: Stack) -> None:
    stack.create("readable", a_canary())

    answers = statuses(stack, stack.info["tokens"]["reader"], "readable")

    assert answers == {"list": 200, "get": 200, "put": 403, "delete": 403, "create": 403}


def test_a_grant_on_one_name_reaches_that_name_only(stack: Stack) -> None:
    stack.create("granted", a_canary())
    stack.create("ungranted", a_canary())
    token = stack.token("--grant", "secret.securevalues:read=secret.securevalues:uid:granted")

    with stack.http(token) as http:
        listed = http.get(f"{stack.url}/securevalues").json()["items"]
        other = http.get(f"{stack.url}/securevalues/ungranted")

    assert [item["metadata"]["name"] for item in listed] == ["granted"]
    assert other.status_code == 403


def test_a_token_of_another_namespace_has_no_right_here(stack: Stack) -> None:
    token = stack.token("--role", "Admin", "--namespace", "elsewhere")

    assert set(statuses(stack, token, "anything").values()) == {403}


def test_without_a_callers_token_the_gateway_can_do_nothing(stack: Stack) -> None:
    with stack.http("x.y.z") as http:
        refused = http.get(f"{stack.url}/securevalues")
        del http.headers["Authorization"]
        missing = http.get(f"{stack.url}/securevalues")

    assert [refused.status_code, missing.status_code] == [401, 401]
    assert missing.json()["reason"] == "Unauthorized"


def test_a_decrypters_token_manages_nothing(stack: Stack) -> None:
    stack.create("managed-by-none", a_canary())

    answers = statuses(stack, stack.info["tokens"]["decrypter"], "managed-by-none")

    assert set(answers.values()) == {403}


def test_the_peer_port_lets_nobody_in_without_the_vaults_certificate(stack: Stack) -> None:
    credentials = grpc.ssl_channel_credentials(Path(stack.info["ca"]).read_bytes())
    target = stack.peer_target
    question = vault_peer_pb2.Question(namespace="default", names=["any"])
    request = vault_peer_pb2.ResolveRequest(questions=[question])

    with (
        grpc.secure_channel(target, credentials) as channel,
        pytest.raises(grpc.RpcError) as no,
    ):
        next(vault_peer_pb2_grpc.VaultPeerStub(channel).Resolve(iter([request]), timeout=5))

    assert no.value.code() is grpc.StatusCode.UNAVAILABLE
