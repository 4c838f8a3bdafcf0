"""Several who call at the same time, over gRPC and over REST, with connections of their own."""

import random
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import httpx2

from protos.splitkeep.metadata.v1.secure_values_pb2_grpc import SecureValuesStub as MetadataStub
from protos.splitkeep.vault.v1.decrypter_pb2_grpc import DecrypterStub
from protos.splitkeep.vault.v1.secure_values_pb2_grpc import SecureValuesStub as VaultStub
from tests.faults.histories.client import CALL_SECONDS, Client
from tests.faults.histories.grpc_client import GrpcClient
from tests.faults.histories.model import Verb
from tests.faults.histories.replicated_stack import ReplicatedStack
from tests.faults.histories.rest_client import RestClient
from tests.faults.system.callers import PATIENCE_SECONDS

CHANNEL_OPTIONS = (
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_retries", 0),
)


@dataclass(frozen=True, repr=False)
class Caller:
    """One of them."""

    number: int
    clients: tuple[Client, ...]

    def client_for(self, verb: Verb, chance: random.Random) -> Client:
        """One who can ask it."""
        return chance.choice([client for client in self.clients if verb in client.verbs])


@dataclass(frozen=True, repr=False)
class Connections:
    """Opens what is closed with `exits`."""

    stack: ReplicatedStack
    exits: AsyncExitStack

    async def caller(self, number: int, seed: int) -> Caller:
        vault = await self._channel("vault", number)
        tokens: Any = self.stack.description()["tokens"]
        over_grpc = GrpcClient(
            MetadataStub(await self._channel("metadata", number)),
            VaultStub(vault),
            DecrypterStub(vault),
            tokens,
        )
        gateways = await self.gateways()
        over_rest = RestClient(gateways, random.Random(f"{seed} {number}"))
        return Caller(number, (over_grpc, over_grpc, over_rest))

    async def gateways(self, seconds: float = CALL_SECONDS) -> tuple[httpx2.AsyncClient, ...]:
        """An administrator's connections to both, which wait so long for an answer."""
        description: Any = self.stack.description()
        tls = ssl.create_default_context(cafile=description["ca"])
        headers = {"Authorization": f"Bearer {description['tokens']['admin']}"}
        opened = [
            httpx2.AsyncClient(base_url=url, verify=tls, headers=headers, timeout=seconds)
            for url in self.stack.gateways()
        ]
        return tuple([await self.exits.enter_async_context(client) for client in opened])

    async def _channel(self, service: str, number: int) -> grpc.aio.Channel:
        ca = self.stack.state.authority.certificate.read_bytes()
        options = (
            *CHANNEL_OPTIONS,
            ("grpc.ssl_target_name_override", service),
            ("tests.caller", number),  # else callers share connections
        )
        credentials = grpc.ssl_channel_credentials(ca)
        channel = grpc.aio.secure_channel(self.stack.reached[service], credentials, options)
        return await self.exits.enter_async_context(channel)


@asynccontextmanager
async def callers_of(
    stack: ReplicatedStack, count: int, seed: int
) -> AsyncIterator[tuple[Caller, ...]]:
    """So many callers; of two calls over gRPC, one is over REST."""
    async with AsyncExitStack() as exits:
        connections = Connections(stack, exits)
        yield tuple([await connections.caller(number, seed) for number in range(count)])


@asynccontextmanager
async def gateways_of(stack: ReplicatedStack) -> AsyncIterator[tuple[httpx2.AsyncClient, ...]]:
    """Both of them, for an administrator who waits."""
    async with AsyncExitStack() as exits:
        yield await Connections(stack, exits).gateways(PATIENCE_SECONDS)
