"""A flood of connections beyond the limit on open files, and what operators see meanwhile."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx2
import pytest

from splitkeep.local.state import open_state
from tests.e2e.stack import Stack

FLOOD = 500

# All connections are of one address, and a port is to become full.
NO_BLOCKS = {
    "SPLITKEEP_VAULT_FLOOD_BLOCK_SECONDS": "0",
    "SPLITKEEP_METADATA_FLOOD_BLOCK_SECONDS": "0",
}


class SmallStack(Stack):
    open_files = 320


@pytest.fixture(scope="module")
def small_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("small") / "state"
    with SmallStack(directory, **NO_BLOCKS) as running:
        yield running


def ports(stack: Stack, process: str) -> dict[str, int]:
    ready = stack.directory / "services" / f"{process}-ready.json"
    numbers: dict[str, int] = json.loads(ready.read_text())
    return numbers


@pytest.mark.parametrize(
    ("process", "port", "label"),
    [
        ("gateway", "https", "gateway"),
        ("vault", "clients", "clients"),
        ("metadata", "clients", "clients"),
        ("metadata", "peer", "peer"),
    ],
)
def test_more_connections_than_open_files_leave_the_operations_port_answering(
    small_stack: Stack, process: str, port: str, label: str
) -> None:
    numbers = ports(small_stack, process)
    operations = f"http://127.0.0.1:{numbers['operations']}"
    with ExitStack() as held, httpx2.Client(trust_env=False) as http:
        for _ in range(FLOOD):
            client = held.enter_context(socket.socket())
            client.settimeout(10)
            with suppress(ConnectionResetError):  # one too many
                client.connect(("127.0.0.1", numbers[port]))
        if process != "gateway":  # which keeps slots free for other sources
            full = f"{label}: connection limit reached"
            small_stack.wait_until(
                lambda: full in http.get(f"{operations}/readyz").text, "the port is full"
            )
        metrics = http.get(f"{operations}/metrics").text

    assert f'port_connections{{port="{label}"' in metrics.replace('worker="0",', "")
    small_stack.wait_until(
        lambda: httpx2.get(f"{operations}/readyz", trust_env=False).status_code == 200,
        "everything is ready again",
    )


def test_a_limit_that_is_too_low_for_the_settings_is_told_at_the_start(
    small_stack: Stack,
) -> None:
    for process in ("gateway", "vault", "metadata"):
        log = open_state(small_stack.directory).log(process).read_text()

        assert log.count("the limit on open files leaves room for fewer connections") == 1
