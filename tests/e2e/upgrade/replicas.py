"""Replicas of both releases on the two databases of one stack.

The stack is `splitkeep dev` of the earlier release. Each further replica gets the environment
of the stack's own process, as the kernel shows it, so that the later release is given the
settings that an operator made for the earlier one. Only ports, targets and the ready file are
its own.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.stack import FREE_PORTS
from tests.e2e.upgrade.release import Release

START_SECONDS = 90
STOP_SECONDS = 60
LOG_TAIL = 2_000
# Settings that every release has.
FREQUENT_SWEEPS = {
    "SPLITKEEP_VAULT_SWEEP_INTERVAL_SECONDS": "1",
    "SPLITKEEP_VAULT_UNCLAIMED_AGE_SECONDS": "2",
    "SPLITKEEP_VAULT_FULL_SWEEP_INTERVAL_SECONDS": "3",
}
LOOPBACK = "127.0.0.1"
PORTS = {
    "metadata": ("PORT", "PEER_PORT", "OPERATIONS_PORT"),
    "vault": ("PORT", "OPERATIONS_PORT"),
    "gateway": ("PORT", "OPERATIONS_PORT"),
}
MODULES = {"metadata": "metadata_svc", "vault": "vault_svc", "gateway": "gateway"}


def wait_until(true: Any, what: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns once `true()`. Raises AssertionError if the process ends first or takes long."""
    deadline = time.monotonic() + START_SECONDS
    while not true():
        assert process.poll() is None, f"it ended before {what}: {log.read_text()[-LOG_TAIL:]}"
        assert time.monotonic() < deadline, f"not within {START_SECONDS} s: {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class Replica:
    """A process that serves."""

    name: str
    ports: dict[str, int]

    def target(self, port: str = "clients") -> str:
        """Where it listens, as gRPC takes it."""
        return f"{LOOPBACK}:{self.ports[port]}"

    def url(self) -> str:
        """Where a gateway listens."""
        return f"https://{LOOPBACK}:{self.ports['https']}"


@dataclass
class Installation:
    """A running stack of the earlier release, and whatever is started beside it."""

    release: Release
    directory: Path
    _processes: ExitStack = field(default_factory=ExitStack)

    @property
    def info(self) -> dict[str, Any]:
        """What the stack's dev.json says."""
        found: dict[str, Any] = json.loads((self.directory / "dev.json").read_text())
        return found

    @contextmanager
    def running(self) -> Iterator[None]:
        """The stack runs meanwhile."""
        with stack_of(self.release, self.directory):
            try:
                yield
            finally:
                self._processes.close()

    def own(self, service: str) -> Replica:
        """The stack's own process, of the earlier release."""
        ready = self.directory / "services" / f"{service}-ready.json"
        return Replica(f"{service}-stack", json.loads(ready.read_text()))

    def token(self, *words: str) -> str:
        """A token that the stack's own release mints."""
        done = subprocess.run(
            [self.release.python, "-m", "splitkeep", "token", *words],
            cwd=self.release.root,
            env=os.environ | {"SPLITKEEP_STATE_DIR": str(self.directory)},
            check=True,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )
        return done.stdout.strip()

    def migrate(self, release: Release) -> None:
        """Both schemas are those of the release."""
        for service in ("metadata", "vault"):
            subprocess.run(
                [release.python, "-m", MODULES[service], "migrate"],
                cwd=release.root,
                env=self._environment(service),
                check=True,
                timeout=START_SECONDS,
            )

    def start(self, release: Release, service: str, name: str, **targets: str) -> Replica:
        """One more replica, ready; `targets` are settings such as METADATA_TARGET."""
        ready = self.directory / "services" / f"{name}-ready.json"
        prefix = f"SPLITKEEP_{service.upper()}_"
        own = {**dict.fromkeys(PORTS[service], "0"), **targets, "READY_FILE": str(ready)}
        environment = self._environment(service) | {prefix + k: v for k, v in own.items()}
        log = self.directory / "logs" / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [release.python, "-m", MODULES[service]],
                cwd=release.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._processes.callback(_stop, process)
        wait_until(ready.exists, f"{name} serves", process, log)
        replica = Replica(name, json.loads(ready.read_text()))
        operations = f"http://{LOOPBACK}:{replica.ports['operations']}/readyz"
        wait_until(lambda: _says_ready(operations), f"{name} is ready", process, log)
        return replica

    def _environment(self, service: str) -> dict[str, str]:
        pid = self.info["pids"][service]
        entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        return dict(entry.split("=", 1) for entry in entries if entry)


@contextmanager
def stack_of(release: Release, directory: Path) -> Iterator[None]:
    """`splitkeep dev` of the release runs meanwhile on that state directory."""
    environment = os.environ | FREE_PORTS | FREQUENT_SWEEPS
    log = directory.parent / "dev.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [release.python, "-m", "splitkeep", "dev"],
            cwd=release.root,
            env=environment | {"SPLITKEEP_STATE_DIR": str(directory)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until((directory / "dev.json").exists, "the stack is ready", process, log)
        yield
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> None:
    process.send_signal(number)
    try:
        process.wait(timeout=STOP_SECONDS)
    finally:
        process.kill()


def _says_ready(url: str) -> bool:
    with httpx2.Client(trust_env=False) as http:
        return http.get(url).is_success
