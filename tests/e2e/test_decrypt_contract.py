"""Grafana's decrypt contract, by a client generated from the public proto alone."""

from collections.abc import Iterator

import pytest

from chassis.fast_accept import problem
from tests.e2e.stack import Stack, a_canary

STANDARD = {f"SPLITKEEP_{service}_ACCEPT_MODE": "standard" for service in ("METADATA", "VAULT")}
# What the ports choose by themselves, and the other one if that is not the standard mode.
MODES = ["auto"] if problem() else ["auto", "standard"]
PACKAGES = pytest.mark.parametrize("package", ["decryptv1beta1", "decryptv1"])


@pytest.fixture(scope="module", params=MODES)
def stack(
    request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The stack that tests share, or one whose gRPC ports accept in the standard mode."""
    if request.param == "auto":
        yield stack
        return
    with Stack(tmp_path_factory.mktemp("standard") / "state", **STANDARD) as running:
        yield running


@PACKAGES
def test_one_call_answers_a_value_a_refusal_and_a_missing_name(
    stack: Stack, package: str
) -> None:
    allowed, value = f"allowed-{package}", a_canary()
    refused = f"refused-{package}"
    assert stack.create(allowed, value).status_code == 201
    assert stack.create(refused, a_canary(), decrypters=["another"]).status_code == 201

    answer = stack.decrypt([allowed, refused, "missing"], package=package)

    assert answer == {
        allowed: {"value": value},
        refused: {"error_message": "not authorized"},
        "missing": {"error_message": "not found"},
    }


@PACKAGES
def test_without_the_decrypt_permission_every_name_is_not_authorized(
    stack: Stack, package: str
) -> None:
    name = f"unpermitted-{package}"
    assert stack.create(name, a_canary()).status_code == 201
    token = stack.token("--service-identity", "k6-cloud")

    answer = stack.decrypt([name, "missing"], token=token, package=package)

    assert answer == {
        name: {"error_message": "not authorized"},
        "missing": {"error_message": "not authorized"},
    }


def test_a_permission_on_one_name_decrypts_that_name_only(stack: Stack) -> None:
    value = a_canary()
    assert stack.create("one-name", value).status_code == 201
    assert stack.create("other-name", a_canary()).status_code == 201
    permission = "secret.grafana.app/securevalues/one-name:decrypt"
    token = stack.token("--service-identity", "k6-cloud", "--permission", permission)

    answer = stack.decrypt(["one-name", "other-name"], token=token)

    assert answer == {
        "one-name": {"value": value},
        "other-name": {"error_message": "not authorized"},
    }


def test_a_new_value_is_read_by_the_very_next_call(stack: Stack) -> None:
    assert stack.create("changing", a_canary()).status_code == 201
    value = a_canary()
    assert stack.put("changing", value).status_code == 200

    assert stack.decrypt(["changing"]) == {"changing": {"value": value}}


def test_a_removed_decrypter_is_refused_by_the_very_next_call(stack: Stack) -> None:
    assert stack.create("narrowing", a_canary()).status_code == 201
    assert stack.put("narrowing", decrypters=["another"]).status_code == 200

    assert stack.decrypt(["narrowing"]) == {"narrowing": {"error_message": "not authorized"}}


def test_a_deleted_value_is_not_found_by_the_very_next_call(stack: Stack) -> None:
    assert stack.create("going", a_canary()).status_code == 201
    assert stack.delete("going").status_code == 200

    assert stack.decrypt(["going"]) == {"going": {"error_message": "not found"}}


def test_an_edit_of_the_metadata_keeps_value_and_version(stack: Stack) -> None:
    value = a_canary()
    assert stack.create("edited", value).json()["status"]["version"] == 1

    edited = stack.put("edited", description="another description").json()

    assert edited["status"]["version"] == 1
    assert stack.decrypt(["edited"]) == {"edited": {"value": value}}


def test_a_version_number_is_not_used_again_after_a_delete(stack: Stack) -> None:
    stack.create("again", a_canary())
    stack.put("again", a_canary())
    stack.delete("again")

    assert stack.create("again", a_canary()).json()["status"]["version"] == 3


def test_a_managing_token_never_decrypts(stack: Stack) -> None:
    assert stack.create("managed", a_canary()).status_code == 201

    answer = stack.decrypt(["managed"], token=stack.info["tokens"]["admin"])

    assert answer == {"managed": {"error_message": "not authorized"}}


def test_a_call_without_a_valid_token_is_refused_whole(stack: Stack) -> None:
    assert stack.decrypt(["any"], token="not-a-token") == {"": {"status": "UNAUTHENTICATED"}}
