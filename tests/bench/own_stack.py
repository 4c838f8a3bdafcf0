"""A stack of a subject's own: two databases and the two services that a decrypt passes through.

It is `splitkeep dev`'s own stack without a gateway, run in this process. Nobody restarts its
services, so that a subject may stop and start them. Its databases do not wait for the disk:
what is measured on it reads.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chassis.accept_mode import AcceptMode
from chassis.clock import SystemClock
from splitkeep.local.ports import Ports
from splitkeep.local.postgres import PostgresServer, PostgresSettings
from splitkeep.local.postgres_home import PostgresHome
from splitkeep.local.services import Service, Services
from splitkeep.local.settings import PORT_OPTIONS
from splitkeep.local.stack import Stack
from splitkeep.local.state import open_state
from splitkeep.local.supervisor import Supervisor
from tests.bench.memory import children
from tests.bench.under_test import StackUnderTest


@dataclass(slots=True, kw_only=True, repr=False)
class DecryptStack(Stack):
    """`servers` are the Postgres servers, by the names of the services."""

    servers: dict[str, PostgresServer] = field(default_factory=dict)

    def under_test(self) -> StackUnderTest:
        """As it is now; pids change when the services are started again."""
        return StackUnderTest.at(self.state.directory)

    @property
    def services(self) -> list[Service]:
        """Metadata and vault, in this order."""
        return self._services

    def processes(self) -> list[int]:
        """The ids of all that serve, workers and Postgres backends included."""
        roots = [service.pid for service in self._services]
        roots += [server.pid for server in self.servers.values()]
        return [pid for root in roots for pid in (root, *children(root))]

    async def stop_services(self) -> None:
        """They have drained and ended; the databases serve on."""
        await asyncio.gather(*(service.stop() for service in self._services))

    async def _start_services(self, supervisor: Supervisor) -> None:
        build = Services(self.state, self.ports, self.environ)
        self._services = [
            build.metadata(self._dsns["metadata"]),
            build.vault(self._dsns["vault"]),
        ]
        try:
            await asyncio.gather(*(service.start() for service in self._services))
        except BaseException:
            await self.stop_services()
            raise

    def _server(self, home: PostgresHome, name: str) -> PostgresServer:
        made = Stack._server(self, home, name)
        settings = PostgresSettings(
            name=name, port=made.settings.port, password=made.settings.password, durable=False
        )
        self.servers[name] = PostgresServer(home, settings, made.log)
        return self.servers[name]


@asynccontextmanager
async def own_stack(
    *,
    vault_workers: int = 1,
    metadata_workers: int = 1,
    accept_mode: AcceptMode = AcceptMode.AUTO,
) -> AsyncIterator[DecryptStack]:
    """A running one; nothing of it is left afterwards. Raises what Stack.running raises."""
    settings = {
        "SPLITKEEP_VAULT_ACCEPT_MODE": accept_mode.value,
        "SPLITKEEP_METADATA_ACCEPT_MODE": accept_mode.value,
        "SPLITKEEP_VAULT_WORKERS": str(vault_workers),
        "SPLITKEEP_METADATA_WORKERS": str(metadata_workers),
    }
    with tempfile.TemporaryDirectory(prefix="splitkeep-load-") as folder:
        state, ports = open_state(Path(folder) / "state"), Ports()
        stack = DecryptStack(
            state=state,
            ports={option.name: ports.choose(0) for option in PORT_OPTIONS},
            environ=os.environ | settings,
            clock=SystemClock(),
            as_root=os.geteuid() == 0,
            report=lambda _text: None,
        )
        try:
            async with stack.running():
                try:
                    yield stack
                finally:
                    await stack.stop_services()
        finally:
            state.erase()
