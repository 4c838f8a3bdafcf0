"""A vault that answers by a script, over real gRPC and real TLS."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chassis.errors import KnownError, UnavailableError
from chassis.grpc_server import EVERY_METHOD, GrpcServer, Port, Service, Tls
from chassis.metrics import Metrics
from protos.splitkeep.vault.v1 import decrypter_pb2 as pb
from protos.splitkeep.vault.v1 import decrypter_pb2_grpc as rpc
from splitkeep.certificates import KeyPair, ensure_authority, ensure_leaf
from splitkeep.client import Outcome, Reason, Secret

NAME = "splitkeep.vault.v1.Decrypter"
NOT_FOUND = pb.DECRYPT_FAILURE_NOT_FOUND
NOT_AUTHORIZED = pb.DECRYPT_FAILURE_NOT_AUTHORIZED
SECRET = b"canary-value"


@dataclass
class ScriptedVault(rpc.DecrypterServicer):
    """Answers as the script says: first its errors, then each name by what its name says."""

    errors: list[KnownError] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    forgets: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    holds: bool = False
    given_up: int = 0
    breaks_stream_after: int = 0

    async def DecryptSecureValues(  # noqa: N802  # the proto's name
        self, request: pb.DecryptSecureValuesRequest, context: Any
    ) -> pb.DecryptSecureValuesResponse:
        await self._note(request.names, context)
        return pb.DecryptSecureValuesResponse(results=self._results(request.names))

    async def StreamSecureValues(  # noqa: N802  # the proto's name
        self, request: pb.StreamSecureValuesRequest, context: Any
    ) -> AsyncIterator[pb.StreamSecureValuesResponse]:
        await self._note(request.names, context)
        results = self._results(request.names)
        for start in range(0, len(results), 50):
            yield pb.StreamSecureValuesResponse(results=results[start : start + 50])
            if self.breaks_stream_after:
                self.breaks_stream_after -= 1
                raise UnavailableError

    async def _note(self, names: Sequence[str], context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        self.tokens.append(metadata.get("x-access-token", ""))
        self.asked.append(list(names))
        if self.holds:
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                self.given_up += 1
                raise
        if self.errors:
            raise self.errors.pop(0)

    def _results(self, names: Sequence[str]) -> list[pb.DecryptResult]:
        results = [_result(name) for name in names]
        forgotten, self.forgets = self.forgets, 0
        return results[forgotten:]


def _result(name: str) -> pb.DecryptResult:
    if name == "forging":
        return pb.DecryptResult(name=name, value=b"x\npg-main=forged", version=1)
    failures = {"missing": NOT_FOUND, "forbidden": NOT_AUTHORIZED, "odd": 77}
    if name in failures:
        failure: Any = failures[name]
        return pb.DecryptResult(name=name, failure=failure)
    return pb.DecryptResult(name=name, value=SECRET + name.encode(), version=2)


def make_certificates(directory: Path) -> Path:
    """The path of an authority's certificate; server.pem and server.key are beside it."""
    now = datetime.now(UTC)
    authority = ensure_authority(
        KeyPair(directory / "ca.pem", directory / "ca.key"), name="Test", now=now
    )
    server = KeyPair(directory / "server.pem", directory / "server.key")
    ensure_leaf(server, authority, names=("localhost", "127.0.0.1", "vault"), now=now)
    return directory / "ca.pem"


@asynccontextmanager
async def serving(vault: ScriptedVault, ca: Path, port: int = 0) -> AsyncIterator[int]:
    tls = Tls(ca.with_name("server.pem"), ca.with_name("server.key"))
    service = Service(
        NAME, rpc.add_DecrypterServicer_to_server, vault, without_token=EVERY_METHOD
    )
    server = GrpcServer(
        Port(f"127.0.0.1:{port}", tls, (service,)), frozenset({NAME}), Metrics()
    )
    bound = await server.start()
    try:
        yield bound
    finally:
        vault.released.set()
        await server.stop(0)


def revealed(outcomes: dict[str, Outcome]) -> dict[str, bytes | Reason]:
    return {
        name: o.value.reveal() if isinstance(o, Secret) else o.reason
        for name, o in outcomes.items()
    }
