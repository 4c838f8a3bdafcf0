"""A whole stack on this machine: two databases, three processes, and what they need.

Started it is described in dev.json, which goes when it stops; a process that dies is started
again and its new id written there.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from os import urandom

from chassis.clock import Clock
from chassis.sensitive import Sensitive
from splitkeep.certificates import Authority, ensure_authority, ensure_leaf
from splitkeep.files import write_json
from splitkeep.issuer import ANY_NAME_PERMISSION, Issuer, TokenRequest, ensure_issuer, publish
from splitkeep.kek_file import KekGoneError, ensure_kek_file
from splitkeep.local import settings
from splitkeep.local.databases import ensure_database, ensure_passwords
from splitkeep.local.ports import LOOPBACK
from splitkeep.local.postgres import PostgresServer, PostgresSettings
from splitkeep.local.postgres_home import PostgresHome, cluster_exists, open_home
from splitkeep.local.services import Service, Services
from splitkeep.local.state import State, StateError
from splitkeep.local.supervisor import Report, Supervisor

NAMESPACE = settings.NAMESPACE
SERVICE_IDENTITY = "k6-cloud"
TOKEN_TTL = timedelta(days=30)
LOG_BYTES = 16 << 20
LOGS = ("metadata", "vault", "gateway", "postgres-metadata", "postgres-vault")


@dataclass(slots=True, kw_only=True)
class Stack:
    """See the module. Whoever runs it holds the state directory."""

    state: State
    ports: Mapping[str, int]
    environ: Mapping[str, str]
    clock: Clock
    as_root: bool
    report: Report
    _services: list[Service] = field(default_factory=list, init=False)
    _dsns: dict[str, Sensitive[str]] = field(default_factory=dict, init=False)
    _tokens: dict[str, str] = field(default_factory=dict, init=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything is ready meanwhile, and stopped afterwards.

        Raises KekGoneError, StateError, StartError, PostgresError, PostgresHomeError, OSError.
        """
        supervisor = Supervisor(self.report, self._describe)
        try:
            self._prepare()
            await self._start_databases(supervisor)
            await self._start_services(supervisor)
            # Started at once, one may have looked for another in vain, and looks again later.
            await asyncio.gather(*(service.until_ready() for service in self._services))
            self._describe()
            yield
        finally:
            try:
                self.state.description.unlink(missing_ok=True)
            finally:
                await asyncio.shield(supervisor.stop())

    def _prepare(self) -> None:
        self.state.description.unlink(missing_ok=True)
        self.state.make_directories()
        for name in LOGS:
            self._shorten_log(name)
        self._make_certificates()
        self._ensure_kek_file()
        issuer = self._ensure_issuer()
        publish(issuer, self.state.issuer_directory)
        self._tokens = self._mint(issuer)

    def _ensure_issuer(self) -> Issuer:
        try:
            return ensure_issuer(self.state.issuer_key)
        except ValueError:
            raise StateError(
                f"{self.state.issuer_key} is damaged: restore it, or delete it; no token that "
                "was made with it is accepted then"
            ) from None

    def _ensure_kek_file(self) -> None:
        file = self.state.kek_file
        # A new key opens nothing that a database holds, and would pass for the old one.
        if not file.exists() and cluster_exists(self.state.directory, "vault"):
            raise KekGoneError(
                f"{file} is gone: put your back-up in its place, or start afresh with --reset"
            )
        ensure_kek_file(file, urandom)

    def _shorten_log(self, name: str) -> None:
        log = self.state.log(name)
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".old.log"))

    def _make_certificates(self) -> None:
        now = self.clock.now()
        clients = ensure_authority(self.state.authority, name="Splitkeep development", now=now)
        peers = ensure_authority(self.state.peer_authority, name="Splitkeep peers", now=now)
        for name in ("metadata", "vault", "gateway"):
            self._make_leaf(name, clients, ("localhost", LOOPBACK, "::1", name))
        for name in ("metadata", "vault"):
            self._make_leaf(f"{name}-peer", peers, (f"splitkeep-{name}",))

    def _make_leaf(self, name: str, authority: Authority, names: tuple[str, ...]) -> None:
        files = self.state.key_pair(name)
        ensure_leaf(files, authority, names=names, now=self.clock.now())

    def _mint(self, issuer: Issuer) -> dict[str, str]:
        now = self.clock.now()
        return {name: issuer.mint(wish, now).reveal() for name, wish in first_tokens().items()}

    async def _start_databases(self, supervisor: Supervisor) -> None:
        home = open_home(self.state.directory, as_root=self.as_root)
        servers = {name: self._server(home, name) for name in ("metadata", "vault")}
        await supervisor.start(list(servers.values()))
        for name, server in servers.items():
            passwords = ensure_passwords(self.state.passwords, name)
            self._dsns[name] = await ensure_database(server, passwords.owner)

    def _server(self, home: PostgresHome, name: str) -> PostgresServer:
        has_data = cluster_exists(self.state.directory, name)
        passwords = ensure_passwords(self.state.passwords, name, has_data=has_data)
        port = self.ports[f"postgres_{name}"]
        server = PostgresSettings(name=name, port=port, password=passwords.superuser)
        return PostgresServer(home, server, self.state.log(f"postgres-{name}"))

    async def _start_services(self, supervisor: Supervisor) -> None:
        build = Services(self.state, self.ports, self.environ)
        self._services = [
            build.metadata(self._dsns["metadata"]),
            build.vault(self._dsns["vault"]),
            build.gateway(),
        ]
        await supervisor.start(self._services)

    def _describe(self) -> None:
        write_json(self.state.description, self.description())

    def description(self) -> dict[str, object]:
        """What dev.json says."""
        return {
            "gateway": f"https://{LOOPBACK}:{self.ports['gateway']}",
            "metadata": f"{LOOPBACK}:{self.ports['metadata']}",
            "vault": f"{LOOPBACK}:{self.ports['vault']}",
            "operations": {
                name: f"http://{LOOPBACK}:{self.ports[f'{name}_operations']}"
                for name in ("gateway", "metadata", "vault")
            },
            "ca": str(self.state.authority.certificate),
            "namespace": NAMESPACE,
            "tokens": self._tokens,
            "dsn": {name: dsn.reveal() for name, dsn in self._dsns.items()},
            "pids": {service.name: service.pid for service in self._services},
        }


def first_tokens() -> dict[str, TokenRequest]:
    """The tokens that every stack starts with."""
    return {
        "admin": _token("user:admin", roles=("Admin",)),
        "reader": _token("user:reader", roles=("fixed:secret.securevalues:reader",)),
        "decrypter": _token(
            f"access-policy:{SERVICE_IDENTITY}",
            service_identity=SERVICE_IDENTITY,
            permissions=(ANY_NAME_PERMISSION,),
        ),
    }


def _token(
    subject: str,
    *,
    roles: tuple[str, ...] = (),
    permissions: tuple[str, ...] = (),
    service_identity: str = "",
) -> TokenRequest:
    return TokenRequest(
        subject=subject,
        namespace=NAMESPACE,
        ttl=TOKEN_TTL,
        roles=roles,
        permissions=permissions,
        service_identity=service_identity,
    )
