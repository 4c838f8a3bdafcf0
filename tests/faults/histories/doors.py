"""Connections to the replicas themselves, one by one: no policy of a client's chooses."""

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
from splitkeep.local.ports import LOOPBACK
from tests.faults.histories.client import CALL_SECONDS
from tests.faults.histories.grpc_client import GrpcClient
from tests.faults.histories.next_call import Door
from tests.faults.histories.replicated_stack import LETTERS, ReplicatedStack
from tests.faults.histories.rest_client import RestClient

# Of each vault: where one port is shared by several processes, a connection belongs to one.
CONNECTIONS = 2


@dataclass(frozen=True, repr=False)
class Doors:
    """The ways to write, the ways to decrypt, and channels to the vaults for everybody else."""

    writing: tuple[Door, ...]
    decrypting: tuple[Door, ...]
    vaults: tuple[tuple[str, grpc.aio.Channel], ...]
    tokens: dict[str, str]


@dataclass(frozen=True, repr=False)
class _Opening:
    stack: ReplicatedStack
    exits: AsyncExitStack
    tokens: dict[str, str]

    async def channel(self, service: str, letter: str, number: int) -> grpc.aio.Channel:
        ca = self.stack.state.authority.certificate.read_bytes()
        options = (
            ("grpc.ssl_target_name_override", service),
            ("grpc.enable_retries", 0),
            ("tests.connection", number),  # else channels share connections
        )
        target = f"{LOOPBACK}:{self.stack.ports[f'{service}-{letter}']}"
        credentials = grpc.ssl_channel_credentials(ca)
        channel = grpc.aio.secure_channel(target, credentials, options)
        return await self.exits.enter_async_context(channel)

    async def over_grpc(self, letter: str, number: int) -> GrpcClient:
        metadata = await self.channel("metadata", letter, number)
        vault = await self.channel("vault", letter, number)
        stubs = (MetadataStub(metadata), VaultStub(vault), DecrypterStub(vault))
        return GrpcClient(*stubs, self.tokens)

    async def over_rest(self, letter: str) -> RestClient:
        gateway = httpx2.AsyncClient(
            base_url=f"https://{LOOPBACK}:{self.stack.ports[f'gateway-{letter}']}",
            verify=ssl.create_default_context(cafile=self.stack.state.authority.certificate),
            headers={"Authorization": f"Bearer {self.tokens['admin']}"},
            timeout=CALL_SECONDS,
        )
        await self.exits.enter_async_context(gateway)
        return RestClient((gateway,), random.Random(letter))


@asynccontextmanager
async def doors_of(stack: ReplicatedStack) -> AsyncIterator[Doors]:
    """All of them, open."""
    description: Any = stack.description()
    tokens: dict[str, str] = description["tokens"]
    async with AsyncExitStack() as exits:
        opening = _Opening(stack, exits, tokens)
        writing, decrypting, vaults = [], [], []
        for letter in LETTERS:
            writing.append(Door(f"REST, gateway-{letter}", await opening.over_rest(letter)))
            clients = [await opening.over_grpc(letter, n) for n in range(CONNECTIONS)]
            writing.append(Door(f"gRPC, replicas {letter}", clients[0]))
            decrypting += [Door(f"vault-{letter}", client) for client in clients]
            for number in range(CONNECTIONS, 2 * CONNECTIONS):
                channel = await opening.channel("vault", letter, number)
                vaults.append((f"vault-{letter}", channel))
        yield Doors(tuple(writing), tuple(decrypting), tuple(vaults), tokens)
