"""Those who use a stack: over REST, over gRPC, and an operator who looks in."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import grpc
import httpx2

from protos.decryptv1beta1 import decrypt_pb2, decrypt_pb2_grpc
from protos.splitkeep.metadata.v1 import secure_value_pb2
from protos.splitkeep.vault.v1 import secure_values_pb2, secure_values_pb2_grpc
from splitkeep.local.stack import NAMESPACE
from tests.e2e.stack import a_secure_value
from tests.faults.system.proxied_stack import ProxiedStack

COLLECTION = f"/apis/secret.grafana.app/v1beta1/namespaces/{NAMESPACE}/securevalues"
PATIENCE_SECONDS = 20.0
# Longer than any service lets its own callers wait, see IMPATIENT.
CALL_SECONDS = 8.0


@dataclass(frozen=True, repr=False)
class Callers:
    """Everyone who asks this stack for something."""

    stack: ProxiedStack
    http: httpx2.AsyncClient
    vault: grpc.aio.Channel
    tokens: dict[str, str]

    async def create(self, name: str, value: str) -> httpx2.Response:
        return await self.http.post(COLLECTION, json=a_secure_value(name, value))

    async def put(self, name: str, value: str | None = None, **spec: Any) -> httpx2.Response:
        body = a_secure_value(name, value, **spec)
        return await self.http.put(f"{COLLECTION}/{name}", json=body)

    async def get(self, name: str) -> httpx2.Response:
        return await self.http.get(f"{COLLECTION}/{name}")

    async def listing(self) -> httpx2.Response:
        return await self.http.get(COLLECTION)

    async def delete(self, name: str) -> httpx2.Response:
        return await self.http.delete(f"{COLLECTION}/{name}")

    async def create_in_vault(self, name: str, value: str) -> None:
        """As create, past the gateway. Raises grpc.aio.AioRpcError."""
        draft = secure_value_pb2.SecureValueDraft(
            namespace=NAMESPACE,
            name=name,
            description="made by a test",
            decrypters=["k6-cloud"],
        )
        await secure_values_pb2_grpc.SecureValuesStub(self.vault).CreateSecureValue(
            secure_values_pb2.CreateSecureValueRequest(draft=draft, value=value.encode()),
            metadata=(("x-access-token", self.tokens["admin"]),),
            timeout=CALL_SECONDS,
        )

    async def decrypt(self, *names: str) -> dict[str, str]:
        """Each name's value or error message. Raises grpc.aio.AioRpcError."""
        stub = decrypt_pb2_grpc.SecureValueDecrypterStub(self.vault)
        answer = await stub.DecryptSecureValues(
            decrypt_pb2.SecureValueDecryptRequest(namespace=NAMESPACE, names=names),
            metadata=(("x-access-token", self.tokens["decrypter"]),),
            timeout=CALL_SECONDS,
        )
        found = answer.decrypted_values.items()
        return {name: result.value or result.error_message for name, result in found}

    async def readiness(self, service: str) -> tuple[int, Any]:
        """What a service's own operations port says."""
        port = self.stack.ports[f"{service}_operations"]
        async with httpx2.AsyncClient(timeout=CALL_SECONDS) as http:
            answer = await http.get(f"http://127.0.0.1:{port}/readyz")
        return answer.status_code, answer.json()["failing"]

    async def ready(self) -> bool:
        """Whether every part says that it can do its work."""
        told = await asyncio.gather(*map(self.readiness, ("metadata", "vault", "gateway")))
        return told == [(200, [])] * 3

    async def rows(self, database: str, query: str) -> list[asyncpg.Record]:
        """An operator's look into a database, past the proxies."""
        connection = await asyncpg.connect(self.stack._dsns[database].reveal())
        try:
            found: list[asyncpg.Record] = await connection.fetch(query)
            return found
        finally:
            await connection.close()

    async def swept(self) -> None:
        """The vault holds exactly the values that metadata points to.

        However slow the machine, as long as the difference shrinks it is waited for.
        """
        left = await self._unswept()
        while left:
            least = len(left)

            async def shrunk() -> bool:
                nonlocal left
                left = await self._unswept()
                return len(left) < least  # noqa: B023  # asked in this round only

            try:
                await until(shrunk)
            except TimeoutError:
                raise AssertionError("\n".join(["it stays as it is:", *left])) from None

    async def _unswept(self) -> list[str]:
        """What is on one side only, with what metadata knows of its id."""
        kept, referenced = await self._kept(), await self._referenced()
        query = "SELECT namespace, value_id, state FROM value_ids"
        states = {tuple(row)[:2]: row["state"] for row in await self.rows("metadata", query)}
        sides = {"kept, not referenced": kept - referenced, "lost": referenced - kept}
        return [
            f"{side}: {key}, {states.get(key, 'unknown')}"
            for side, keys in sides.items()
            for key in sorted(keys)
        ]

    async def _kept(self) -> set[Any]:
        query = "SELECT namespace, value_id FROM sealed_values"
        return {tuple(row) for row in await self.rows("vault", query)}

    async def _referenced(self) -> set[Any]:
        query = "SELECT namespace, value_id FROM secure_values"
        return {tuple(row) for row in await self.rows("metadata", query)}


async def until(true: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Returns once it is true."""
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110  # it becomes true in another process
            await asyncio.sleep(0.02)


@asynccontextmanager
async def callers_of(stack: ProxiedStack) -> AsyncIterator[Callers]:
    description: Any = stack.description()
    tls = ssl.create_default_context(cafile=stack.state.authority.certificate)
    ca = stack.state.authority.certificate.read_bytes()
    credentials = grpc.ssl_channel_credentials(ca)
    headers = {"Authorization": f"Bearer {description['tokens']['admin']}"}
    async with (
        httpx2.AsyncClient(
            base_url=description["gateway"], verify=tls, headers=headers, timeout=CALL_SECONDS
        ) as http,
        grpc.aio.secure_channel(description["vault"], credentials) as channel,
    ):
        yield Callers(stack, http, channel, description["tokens"])
