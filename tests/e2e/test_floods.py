"""Strangers who hold connections to the gateway, and what is left of them afterwards."""

import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import httpx2
import pytest

from tests.e2e.stack import Stack

CONNECTIONS = 3_000
SOURCES = [f"127.0.0.{number}" for number in range(2, 12)]
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # a ClientHello begins
GIVEN_BACK_MEGABYTES = 20
LIMIT = 1_000  # the gateway's own


def resident_megabytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1_024


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Polite:
    """A caller on a standing connection, who asks again and again."""

    def __init__(self, stack: Stack) -> None:
        self.statuses: set[int] = set()
        self._ended = threading.Event()
        self._http = httpx2.Client(
            verify=ssl.create_default_context(cafile=str(stack.info["ca"])),
            headers={"Authorization": f"Bearer {stack.info['tokens']['admin']}"},
            timeout=20,
        )
        self._url = f"{stack.url}/securevalues?limit=1"
        self._asking = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self.statuses.add(self._http.get(self._url).status_code)
        self._asking.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._asking.join()
        self._http.close()

    def _ask(self) -> None:
        while not self._ended.wait(0.02):
            self.statuses.add(self._http.get(self._url).status_code)


def flood(port: int, sent: bytes, pid: int) -> int:
    """The most files that the gateway had open while it was held."""
    most = 0
    with ExitStack() as held:
        for number in range(CONNECTIONS):
            client = held.enter_context(socket.socket())
            client.settimeout(10)
            client.bind((SOURCES[number % len(SOURCES)], 0))
            with suppress(OSError):
                client.connect(("127.0.0.1", port))
                client.sendall(sent)
            if number % 100 == 0:
                most = max(most, open_files(pid))
        time.sleep(1)
        return max(most, open_files(pid))


@pytest.mark.parametrize("sent", [b"", HELLO, b"GET / HT"], ids=["bare", "hello", "plain"])
def test_held_connections_stay_within_the_limit_and_leave_nothing(
    stack: Stack, sent: bytes
) -> None:
    pid, port = stack.info["pids"]["gateway"], int(stack.info["gateway"].rpartition(":")[2])
    with Polite(stack) as polite:
        flood(port, sent, pid)  # whatever is made once is made
        stack.wait_until(lambda: open_files(pid) < LIMIT // 2, "the first flood is over")
        files, megabytes = open_files(pid), resident_megabytes(pid)

        most = flood(port, sent, pid)

        assert most <= files + LIMIT
        stack.wait_until(lambda: open_files(pid) <= files + 5, "no connection is left")
        stack.wait_until(
            lambda: resident_megabytes(pid) <= megabytes + GIVEN_BACK_MEGABYTES,
            "memory is given back",
        )

    assert polite.statuses == {200}
