"""A whole stack with a proxy on every line between two of its processes.

It is `splitkeep dev`'s own stack, run in this process: two Postgres servers and three services
as children, real TLS. Only where each service finds the others is changed.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

from chassis.clock import SystemClock
from splitkeep.local.ports import LOOPBACK, Ports
from splitkeep.local.postgres import PostgresServer, PostgresSettings
from splitkeep.local.postgres_home import PostgresHome
from splitkeep.local.services import Services
from splitkeep.local.settings import PORT_OPTIONS
from splitkeep.local.stack import LOGS, Stack
from splitkeep.local.state import open_state
from splitkeep.local.supervisor import Supervisor
from tests.faults.proxy import FaultyProxy, faulty_proxy
from tests.integration.chassis.databases import at_port

# Short enough for tests to wait for.
IMPATIENT = {
    "SPLITKEEP_METADATA_STATEMENT_TIMEOUT_SECONDS": "1.5",
    "SPLITKEEP_VAULT_STATEMENT_TIMEOUT_SECONDS": "1.5",
    "SPLITKEEP_GATEWAY_CALL_SECONDS": "4",
    "SPLITKEEP_VAULT_RECOVERY_WINDOW_SECONDS": "0",
    "SPLITKEEP_VAULT_SWEEP_INTERVAL_SECONDS": "0.3",
    "SPLITKEEP_VAULT_UNCLAIMED_AGE_SECONDS": "1",
    "SPLITKEEP_VAULT_FULL_SWEEP_INTERVAL_SECONDS": "1",
}


@dataclass(slots=True, kw_only=True)
class ProxiedStack(Stack):
    """`lines` are the proxies, by what they lead from and to."""

    PORT_NAMES: ClassVar[tuple[str, ...]] = tuple(option.name for option in PORT_OPTIONS)
    lines: dict[str, FaultyProxy] = field(default_factory=dict)
    servers: dict[str, PostgresServer] = field(default_factory=dict)
    _exits: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __repr__(self) -> str:
        return "ProxiedStack"  # without its tokens

    async def _start_services(self, supervisor: Supervisor) -> None:
        metadata_postgres = await self._line("metadata-postgres", "postgres_metadata")
        vault_postgres = await self._line("vault-postgres", "postgres_vault")
        vault_metadata = await self._line("vault-metadata", "metadata_peer")
        gateway_metadata = await self._line("gateway-metadata", "metadata")
        gateway_vault = await self._line("gateway-vault", "vault")
        self._services = [
            self._build().metadata(at_port(self._dsns["metadata"], metadata_postgres)),
            self._build(metadata_peer=vault_metadata).vault(
                at_port(self._dsns["vault"], vault_postgres)
            ),
            self._build(metadata=gateway_metadata, vault=gateway_vault).gateway(),
        ]
        await supervisor.start(self._services)

    def _build(self, **elsewhere: int) -> Services:
        return Services(self.state, {**self.ports, **elsewhere}, self.environ)

    async def _line(self, name: str, port: str) -> int:
        proxy, number = await self._exits.enter_async_context(
            faulty_proxy(LOOPBACK, self.ports[port])
        )
        self.lines[name] = proxy
        return number

    def _server(self, home: PostgresHome, name: str) -> PostgresServer:
        made = Stack._server(self, home, name)
        settings = PostgresSettings(
            name=name, port=made.settings.port, password=made.settings.password, durable=False
        )
        self.servers[name] = PostgresServer(home, settings, made.log)
        return self.servers[name]

    def logged(self) -> bytes:
        """Every line that any process of the stack has written."""
        return b"".join(self.state.log(name).read_bytes() for name in LOGS)

    def restore(self) -> None:
        """Every line is whole."""
        for proxy in self.lines.values():
            proxy.restore()


Proxied = TypeVar("Proxied", bound=ProxiedStack)


def proxied_stack(directory: Path) -> AbstractAsyncContextManager[ProxiedStack]:
    """A running stack; nothing of it is left afterwards."""
    return running_stack(ProxiedStack, directory)


@asynccontextmanager
async def running_stack(kind: type[Proxied], directory: Path) -> AsyncIterator[Proxied]:
    """As `proxied_stack`, of this kind."""
    state = open_state(directory)
    ports = Ports()
    stack = kind(
        state=state,
        ports={name: ports.choose(0) for name in kind.PORT_NAMES},
        environ=os.environ | IMPATIENT,
        clock=SystemClock(),
        as_root=os.geteuid() == 0,
        report=lambda _text: None,
    )
    try:
        async with stack.running():
            yield stack
    finally:
        stack.restore()
        await stack._exits.aclose()
        state.erase()
