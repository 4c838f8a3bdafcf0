"""The three processes of a local stack: what each is told, and when it is ready."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from chassis.sensitive import Sensitive
from splitkeep.environment import ROOT
from splitkeep.files import read_json, write_file
from splitkeep.local.child import Child, Program
from splitkeep.local.ports import LOOPBACK
from splitkeep.local.settings import GRPC_VARIABLE, workers_variable
from splitkeep.local.state import State
from splitkeep.local.supervisor import StartError

START_SECONDS = 60.0
POLL_SECONDS = 0.02
ASK_SECONDS = 0.1  # each time that it is not ready is a line of its log
LOG_TAIL_LINES = 5

Environ = Mapping[str, str]


@dataclass(slots=True)
class Service:
    """One process, which says by a file that it is ready."""

    name: str
    child: Child
    ready_file: Path
    _log_start: int = field(default=0, init=False)

    @property
    def pid(self) -> int:
        """Of its latest start."""
        return self.child.pid

    async def start(self) -> None:
        """It serves. Raises StartError."""
        self.ready_file.unlink(missing_ok=True)
        log = self.child.program.log
        self._log_start = log.stat().st_size if log.exists() else 0
        await self.child.start()
        ending = asyncio.ensure_future(self.child.ended())
        try:
            async with asyncio.timeout(START_SECONDS):
                while not self.ready_file.exists():
                    if ending.done():
                        raise StartError(self._why_it_ended())
                    await asyncio.wait((ending,), timeout=POLL_SECONDS)
        except TimeoutError:
            raise StartError(f"{self.name} did not get ready: {self._last_words()}") from None
        finally:
            ending.cancel()

    async def until_ready(self) -> None:
        """It says that it reaches whatever it needs. Raises StartError."""
        try:
            async with asyncio.timeout(START_SECONDS), _http() as http:
                while not await self._says_ready(http):  # noqa: ASYNC110  # another process
                    await asyncio.sleep(ASK_SECONDS)
        except TimeoutError:
            raise StartError(f"{self.name} is not ready: {self._last_words()}") from None

    async def _says_ready(self, http: httpx2.AsyncClient) -> bool:
        try:
            port = read_json(self.ready_file)["operations"]
            answer = await http.get(f"http://{LOOPBACK}:{port}/readyz")
        except (OSError, ValueError, httpx2.HTTPError):  # it has ended, and is started again
            return False
        return answer.is_success

    async def ended(self) -> int:
        """See Unit."""
        return await self.child.ended()

    async def stop(self) -> None:
        """See Unit."""
        await self.child.stop()

    def _why_it_ended(self) -> str:
        problems = [problem for line in self._said() for problem in problems_in(line)]
        if problems:
            return "\n  ".join([f"{self.name} refuses to start:", *problems])
        return f"{self.name} ended: {self._last_words()}"

    def _last_words(self) -> str:
        last = self._said()[-LOG_TAIL_LINES:]
        return "\n".join(["", *last, f"(all of it: {self.child.program.log})"])

    def _said(self) -> list[str]:
        """The lines that it has logged since its latest start."""
        with self.child.program.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace").splitlines()


@dataclass(frozen=True, slots=True)
class Services:
    """Builds the processes of one stack; `environ` is what its starter has set."""

    state: State
    ports: Mapping[str, int]
    environ: Environ

    def metadata(self, dsn: Sensitive[str]) -> Service:
        """Which secure values there are, and who may do what."""
        peer = self.state.key_pair("metadata-peer")
        told = {
            **self._database("metadata", dsn),
            **self._serving("metadata"),
            **self._workers("metadata"),
            "ISSUERS": self._issuers,
            "PEER_PORT": str(self.ports["metadata_peer"]),
            "PEER_TLS_CERTIFICATE": str(peer.certificate),
            "PEER_TLS_PRIVATE_KEY": str(peer.private_key),
            "PEER_CA": str(self.state.peer_authority.certificate),
        }
        return self._service("metadata", "metadata_svc", told)

    def vault(self, dsn: Sensitive[str]) -> Service:
        """The values themselves."""
        peer = self.state.key_pair("vault-peer")
        told = {
            **self._database("vault", dsn),
            **self._serving("vault"),
            **self._workers("vault"),
            "ISSUERS": self._issuers,
            "KEK_FILE": str(self.state.kek_file),
            "METADATA_TARGET": self._target("metadata_peer"),
            "METADATA_CA": str(self.state.peer_authority.certificate),
            "METADATA_SERVER_NAME": "splitkeep-metadata",
            "PEER_CERTIFICATE": str(peer.certificate),
            "PEER_PRIVATE_KEY": str(peer.private_key),
        }
        return self._service("vault", "vault_svc", told)

    def gateway(self) -> Service:
        """REST over HTTPS."""
        told = {
            **self._serving("gateway"),
            "METADATA_TARGET": self._target("metadata"),
            "VAULT_TARGET": self._target("vault"),
            "CA": str(self.state.authority.certificate),
        }
        return self._service("gateway", "gateway", told)

    @property
    def _issuers(self) -> str:
        return str(self.state.issuer_directory / "issuers.json")

    def _target(self, port: str) -> str:
        return f"{LOOPBACK}:{self.ports[port]}"

    def _database(self, name: str, dsn: Sensitive[str]) -> dict[str, str]:
        # By a file: what is in the environment can be read from the process table.
        file = self.state.service_file(f"{name}-dsn")
        write_file(file, dsn.reveal().encode())
        return {"DSN_FILE": str(file)}

    def _serving(self, name: str) -> dict[str, str]:
        server = self.state.key_pair(name)
        return {
            "HOST": LOOPBACK,
            "PORT": str(self.ports[name]),
            "OPERATIONS_PORT": str(self.ports[f"{name}_operations"]),
            "TLS_CERTIFICATE": str(server.certificate),
            "TLS_PRIVATE_KEY": str(server.private_key),
            "READY_FILE": str(self._ready_file(name)),
        }

    def _workers(self, name: str) -> dict[str, str]:
        # Everything is on this one machine: no service takes all of it unless told to.
        return {"WORKERS": self.environ.get(workers_variable(name), "1")}

    def _ready_file(self, name: str) -> Path:
        return self.state.service_file(f"{name}-ready.json")

    def _service(self, name: str, module: str, told: Environ) -> Service:
        program = Program(
            command=[sys.executable, "-m", module],
            log=self.state.log(name),
            environ=child_environ(self.environ, f"SPLITKEEP_{name.upper()}_", told),
            directory=ROOT,
        )
        return Service(name, Child(program), self._ready_file(name))


def _http() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(trust_env=False)  # a proxy has no business on this machine


def problems_in(line: str) -> list[str]:
    """What a process says, in this line of its log, that it cannot start with."""
    try:
        event = json.loads(line)
    except ValueError:
        return []
    problems = event.get("problems", []) if isinstance(event, dict) else []
    return [str(problem) for problem in problems] if isinstance(problems, list) else []


def child_environ(environ: Environ, prefix: str, told: Environ) -> dict[str, str]:
    """What a process gets: the person's own settings for it, overridden by what it is told.

    Settings of the other processes stay out: none is to know another's database.
    """
    inherited = {
        name: value
        for name, value in environ.items()
        if not name.startswith("SPLITKEEP_") or name.startswith(prefix) or name == GRPC_VARIABLE
    }
    own = {f"{prefix}{name}": value for name, value in told.items()}
    return {**inherited, **own}
