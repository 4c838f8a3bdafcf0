"""What each process is told, and what is kept from it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from chassis.sensitive import Sensitive
from splitkeep.local.services import Services, child_environ, problems_in
from splitkeep.local.settings import PORT_OPTIONS
from splitkeep.local.stack import Stack, first_tokens
from splitkeep.local.state import State, open_state

PORTS = {option.name: number for number, option in enumerate(PORT_OPTIONS, start=1000)}


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = open_state(tmp_path / "state")
    state.make_directories()
    return state


@pytest.fixture
def environs(state: State) -> dict[str, Mapping[str, str]]:
    build = Services(state, PORTS, {"PATH": "/bin", "SPLITKEEP_VAULT_LOG_LEVEL": "debug"})
    dsns = {name: Sensitive(f"dsn-of-{name}") for name in ("metadata", "vault")}
    services = (build.metadata(dsns["metadata"]), build.vault(dsns["vault"]), build.gateway())
    return {service.name: service.child.program.environ for service in services}


def own_names(environ: Mapping[str, str]) -> Iterator[str]:
    return (name for name in environ if name.startswith("SPLITKEEP_"))


@pytest.mark.parametrize("name", ["metadata", "vault", "gateway"])
def test_a_process_is_told_nothing_of_the_others_settings(
    environs: dict[str, Mapping[str, str]], name: str
) -> None:
    prefix = f"SPLITKEEP_{name.upper()}_"

    assert all(variable.startswith(prefix) for variable in own_names(environs[name]))


def test_no_process_gets_a_database_address_in_its_environment(
    environs: dict[str, Mapping[str, str]],
) -> None:
    values = [value for environ in environs.values() for value in environ.values()]

    assert not any("dsn-of-" in value for value in values)


def test_the_persons_own_settings_reach_the_process_they_name(
    environs: dict[str, Mapping[str, str]],
) -> None:
    assert environs["vault"]["SPLITKEEP_VAULT_LOG_LEVEL"] == "debug"
    assert environs["vault"]["PATH"] == "/bin"


def test_a_service_of_a_local_stack_has_one_worker_unless_told_otherwise(state: State) -> None:
    told = Services(state, PORTS, {"SPLITKEEP_VAULT_WORKERS": "0"})
    services = (told.metadata(Sensitive("m")), told.vault(Sensitive("v")))

    assert [
        service.child.program.environ[f"SPLITKEEP_{service.name.upper()}_WORKERS"]
        for service in services
    ] == ["1", "0"]


def test_what_a_process_is_told_beats_what_the_person_has_set() -> None:
    told = child_environ({"SPLITKEEP_X_PORT": "1"}, "SPLITKEEP_X_", {"PORT": "2"})

    assert told == {"SPLITKEEP_X_PORT": "2"}


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        ('{"event": "start refused", "problems": ["one", "two"]}', ["one", "two"]),
        ('{"event": "ready"}', []),
        ('{"problems": "one"}', []),
        ('["problems"]', []),
        ("Traceback (most recent call last):", []),
        ("", []),
    ],
)
def test_a_refusals_problems_are_read_from_the_log(line: str, problems: list[str]) -> None:
    assert problems_in(line) == problems


def test_the_vault_reaches_metadata_at_its_peer_port_and_the_gateway_does_not(
    environs: dict[str, Mapping[str, str]],
) -> None:
    peer, clients = PORTS["metadata_peer"], PORTS["metadata"]

    assert environs["vault"]["SPLITKEEP_VAULT_METADATA_TARGET"] == f"127.0.0.1:{peer}"
    assert environs["gateway"]["SPLITKEEP_GATEWAY_METADATA_TARGET"] == f"127.0.0.1:{clients}"
    assert not any("PEER" in name for name in own_names(environs["gateway"]))


def test_the_first_tokens_obey_the_rule_of_two_hands() -> None:
    for request in first_tokens().values():
        request.check()
    identities = {name: request.service_identity for name, request in first_tokens().items()}
    assert identities == {"admin": "", "reader": "", "decrypter": "k6-cloud"}


def test_the_stacks_description_is_complete_without_a_start(state: State) -> None:
    from chassis.clock import SystemClock  # noqa: PLC0415  # this test's alone

    stack = Stack(
        state=state, ports=PORTS, environ={}, clock=SystemClock(), as_root=False, report=print
    )

    assert set(stack.description()) == {
        "gateway",
        "metadata",
        "vault",
        "operations",
        "ca",
        "namespace",
        "tokens",
        "dsn",
        "pids",
    }
