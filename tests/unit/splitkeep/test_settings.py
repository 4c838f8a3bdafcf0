"""Ports come from the flag, else from the environment, else from the default."""

import os
import socket
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from splitkeep.environment import ROOT
from splitkeep.local.ports import LOOPBACK, Ports, is_free
from splitkeep.local.settings import (
    PORT_OPTIONS,
    SettingsError,
    add_port_arguments,
    add_workers_argument,
    default_state,
    read_ports,
    with_workers,
)

UNPRIVILEGED_FROM = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
ALL_FREE = {option.variable: "0" for option in PORT_OPTIONS}


def ports(words: list[str], environ: Mapping[str, str]) -> dict[str, int]:
    parser = ArgumentParser()
    add_port_arguments(parser)
    return read_ports(parser.parse_args(words), {**ALL_FREE, **environ})


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    return Ports().choose(0)


def test_the_flag_beats_the_environment(free_port: int) -> None:
    chosen = ports(["--vault-port", str(free_port)], {"SPLITKEEP_VAULT_PORT": "1"})

    assert chosen["vault"] == free_port


def test_the_environment_beats_the_default(free_port: int) -> None:
    assert ports([], {"SPLITKEEP_GATEWAY_PORT": str(free_port)})["gateway"] == free_port


def test_zero_takes_a_free_port_for_each() -> None:
    chosen = ports([], {})

    assert len(set(chosen.values())) == len(PORT_OPTIONS)
    assert all(is_free(port) for port in chosen.values())


def test_the_defaults_are_the_documented_ones() -> None:
    defaults = {option.name: option.default for option in PORT_OPTIONS}

    assert defaults == {
        "gateway": 8080,
        "gateway_operations": 9480,
        "metadata": 9401,
        "metadata_peer": 9411,
        "metadata_operations": 9481,
        "vault": 9402,
        "vault_operations": 9482,
        "postgres_metadata": 0,
        "postgres_vault": 0,
    }


def test_a_taken_port_is_named_with_its_flag(taken_port: int) -> None:
    with pytest.raises(SettingsError, match=rf"port {taken_port} .*--gateway-port\) is taken"):
        ports(["--gateway-port", str(taken_port)], {})


def test_all_taken_ports_are_named_at_once(taken_port: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        second = other.getsockname()[1]
        with pytest.raises(SettingsError) as caught:
            ports(["--gateway-port", str(taken_port), "--vault-port", str(second)], {})

    text = str(caught.value)
    assert f"port {taken_port} (REST API over HTTPS, --gateway-port) is taken" in text
    assert f"port {second} (vault service, --vault-port) is taken" in text
    assert text.count("--port-offset") == 1


def test_one_port_given_twice_is_refused_with_both_flags(free_port: int) -> None:
    with pytest.raises(SettingsError) as caught:
        ports(["--vault-port", str(free_port)], {"SPLITKEEP_GATEWAY_PORT": str(free_port)})

    assert "--vault-port) is given to --gateway-port too" in str(caught.value)


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_an_offset_moves_every_default_port_and_no_chosen_one(free_port: int, way: str) -> None:
    parser = ArgumentParser()
    add_port_arguments(parser)
    offset = offset_of_free_ports()
    flags = ["--port-offset", str(offset)] if way == "flag" else []
    environ = {} if way == "flag" else {"SPLITKEEP_PORT_OFFSET": str(offset)}
    words = ["--metadata-port", str(free_port), *flags]

    chosen = read_ports(parser.parse_args(words), environ)

    assert chosen["metadata"] == free_port
    assert (chosen["gateway"], chosen["vault_operations"]) == (8_080 + offset, 9_482 + offset)
    assert chosen["postgres_vault"] not in {0, offset}


def offset_of_free_ports() -> int:
    """One by which all default ports are free, whatever else runs on this machine."""
    parser = ArgumentParser()
    add_port_arguments(parser)
    for offset in range(11_000, 20_000, 500):
        with suppress(SettingsError):
            read_ports(parser.parse_args(["--port-offset", str(offset)]), {})
            return offset
    raise AssertionError("no offset leads to free ports")


def test_an_offset_beyond_the_last_port_is_refused() -> None:
    parser = ArgumentParser()
    add_port_arguments(parser)

    with pytest.raises(SettingsError, match="beyond 65535"):
        read_ports(parser.parse_args(["--port-offset", "60000"]), {})


@pytest.mark.parametrize("text", ["x", "-1", "65536", "80.5"])
def test_what_is_no_port_is_refused_by_the_name_of_its_variable(text: str) -> None:
    with pytest.raises(SettingsError, match="SPLITKEEP_VAULT_PORT"):
        ports([], {"SPLITKEEP_VAULT_PORT": text})


@pytest.mark.parametrize("text", ["x", "-1", "99999999", "80.5"])
def test_what_is_no_port_is_refused_on_the_command_line_with_the_bounds(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        ports([f"--gateway-port={text}"], {})

    refusal = capsys.readouterr().err
    assert "--gateway-port" in refusal
    assert "0 to 65535" in refusal


@pytest.mark.skipif(
    os.geteuid() != 0 or not UNPRIVILEGED_FROM.exists(), reason="needs root to become nobody"
)
def test_a_port_that_only_the_administrator_may_use_is_not_said_to_be_taken() -> None:
    if int(UNPRIVILEGED_FROM.read_text()) <= 1:
        pytest.skip("everybody may use every port here")
    code = (
        "from splitkeep.local.ports import obstacle; "
        "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534); "
        "print(obstacle(1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert "not allowed" in done.stdout
    assert "taken" not in done.stdout


def test_no_free_port_is_given_twice() -> None:
    given = Ports()
    chosen = [given.choose(0) for _ in range(50)]

    assert len(set(chosen)) == 50


def test_the_state_directory_can_be_chosen() -> None:
    assert default_state({"SPLITKEEP_STATE_DIR": "/elsewhere"}) == Path("/elsewhere")
    assert default_state({}).name == ".splitkeep"


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"HOME": "/home/me"}, "/home/me/.local/state/splitkeep"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "/state"}, "/state/splitkeep"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "here"}, "/home/me/.local/state/splitkeep"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": ""}, "/home/me/.local/state/splitkeep"),
        ({}, "/var/lib/splitkeep/.local/state/splitkeep"),
        ({"SPLITKEEP_STATE_DIR": "here", "HOME": "/home/me"}, "here"),
    ],
)
def test_the_working_directory_does_not_decide_where_an_installed_package_keeps_state(
    tmp_path: Path, environ: dict[str, str], directory: str
) -> None:
    assert default_state(environ, root=tmp_path) == Path(directory)


def test_a_clone_keeps_its_state_in_itself_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert default_state({"HOME": "/home/me"}) == ROOT / ".splitkeep"


def workers(words: list[str], environ: Mapping[str, str]) -> Mapping[str, str]:
    parser = ArgumentParser()
    add_workers_argument(parser)
    return with_workers(parser.parse_args(words), environ)


def test_the_number_of_workers_is_that_of_both_services() -> None:
    told = workers(["--workers", "3"], {"SPLITKEEP_VAULT_WORKERS": "1", "PATH": "/bin"})

    assert told == {
        "SPLITKEEP_METADATA_WORKERS": "3",
        "SPLITKEEP_VAULT_WORKERS": "3",
        "PATH": "/bin",
    }


def test_without_a_number_of_workers_the_environment_stays_as_it_is() -> None:
    assert workers([], {"SPLITKEEP_VAULT_WORKERS": "2"}) == {"SPLITKEEP_VAULT_WORKERS": "2"}


@pytest.mark.parametrize("text", ["-1", "two", "257", ""])
def test_what_is_no_number_of_workers_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        workers([f"--workers={text}"], {})

    assert "is not a number of workers" in capsys.readouterr().err
