"""Two replicas of each service on the same two databases, a proxy on every line between them.

Whoever calls is given both replicas and goes to one that answers, as behind a load balancer:
the vaults call both of metadata, the gateways both of both, the tests' clients all of them.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from splitkeep.local.child import Program
from splitkeep.local.ports import LOOPBACK
from splitkeep.local.services import START_SECONDS, Service, Services
from splitkeep.local.settings import PORT_OPTIONS
from splitkeep.local.state import State
from splitkeep.local.supervisor import Supervisor
from tests.faults.system.callers import until
from tests.faults.system.proxied_stack import ProxiedStack, running_stack
from tests.integration.chassis.databases import at_port

LETTERS = ("a", "b")
CALLED = ("metadata", "metadata_peer", "vault", "gateway")
# Of both replicas' certificates: who is called at either address calls it so.
NAMES = {
    "SPLITKEEP_GATEWAY_METADATA_SERVER_NAME": "metadata",
    "SPLITKEEP_GATEWAY_VAULT_SERVER_NAME": "vault",
}


def _of(letter: str, name: str) -> str:
    return f"{name}-{letter}"


@dataclass(frozen=True, slots=True)
class ReplicaState(State):
    """A stack's state with files of one replica's own."""

    letter: str

    def service_file(self, name: str) -> Path:
        return State.service_file(self, _of(self.letter, name))

    def log(self, name: str) -> Path:
        return State.log(self, _of(self.letter, name))


@dataclass(frozen=True, slots=True)
class ReplicaServices(Services):
    """Builds processes that are told of both replicas of whom they call."""

    reached: Mapping[str, str]

    def _target(self, port: str) -> str:
        return self.reached[port]


@dataclass(slots=True, kw_only=True, repr=False)
class ReplicatedStack(ProxiedStack):
    """`replicas` are the six processes, by names such as `vault-b`."""

    PORT_NAMES: ClassVar[tuple[str, ...]] = (
        *ProxiedStack.PORT_NAMES,
        *(_of(letter, option.name) for option in PORT_OPTIONS for letter in LETTERS),
    )
    replicas: dict[str, Service] = field(default_factory=dict)
    # Both addresses of what can be called, as gRPC takes them.
    reached: dict[str, str] = field(default_factory=dict)

    async def _start_services(self, supervisor: Supervisor) -> None:
        for called in CALLED:
            lines = [_of(letter, called) for letter in LETTERS]
            numbers = [await self._line(line, line) for line in lines]
            self.reached[called] = "ipv4:" + ",".join(f"{LOOPBACK}:{n}" for n in numbers)
        for letter in LETTERS:
            lines = [_of(letter, f"{name}-postgres") for name in ("metadata", "vault")]
            metadata = await self._line(lines[0], "postgres_metadata")
            vault = await self._line(lines[1], "postgres_vault")
            for service in self._built(letter, metadata, vault):
                service.name = _of(letter, service.name)
                # They are only ever killed, at the end too: none of it rests on a good-bye.
                child = service.child
                child.program = replace(child.program, end_signal=signal.SIGKILL)
                self.replicas[service.name] = service
        self._services = list(self.replicas.values())
        await supervisor.start(self._services)

    def _built(self, letter: str, metadata: int, vault: int) -> Iterator[Service]:
        build = ReplicaServices(
            ReplicaState(self.state.directory, letter),
            {option.name: self.ports[_of(letter, option.name)] for option in PORT_OPTIONS},
            {**self.environ, **NAMES},
            self.reached,
        )
        yield build.metadata(at_port(self._dsns["metadata"], metadata))
        yield build.vault(at_port(self._dsns["vault"], vault))
        yield build.gateway()

    def gateways(self) -> list[str]:
        """Both addresses."""
        _, _, addresses = self.reached["gateway"].partition(":")
        return [f"https://{address}" for address in addresses.split(",")]

    def logged(self) -> bytes:
        """Every line that any process of the stack has written."""
        logs = self.state.log("any").parent.glob("*.log")
        return b"".join(log.read_bytes() for log in logs)

    async def kill(self, name: str) -> None:
        """The replica was killed without a warning, and serves again."""
        replica = self.replicas[name]
        killed = replica.pid
        os.kill(killed, signal.SIGKILL)

        async def back() -> bool:
            return replica.pid != killed and replica.ready_file.exists()

        await until(back, START_SECONDS)

    @asynccontextmanager
    async def replaced(self, service: str, module: str) -> AsyncIterator[None]:
        """Meanwhile both replicas of the service run this module instead."""
        names = [_of(letter, service) for letter in LETTERS]
        programs = [self.replicas[name].child.program for name in names]
        command = [sys.executable, "-m", module]
        await self._run(names, [replace(program, command=command) for program in programs])
        try:
            yield
        finally:
            await self._run(names, programs)

    async def _run(self, names: Sequence[str], programs: Sequence[Program]) -> None:
        for name, program in zip(names, programs, strict=True):
            self.replicas[name].child.program = program
        await asyncio.gather(*map(self.kill, names))


def replicated_stack(directory: Path) -> AbstractAsyncContextManager[ReplicatedStack]:
    """A running one; nothing of it is left afterwards."""
    return running_stack(ReplicatedStack, directory)
