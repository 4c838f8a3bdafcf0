"""Decrypts without a pause, through every vault that is named, until the end of a block."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from protos.decryptv1beta1 import decrypt_pb2, decrypt_pb2_grpc

CALLERS_OF_EACH = 2
CALL_SECONDS = 20
NAMES_OF_A_CALL = 5


@dataclass
class Tally:
    """What the calls of one load came to, by the vault that was called."""

    answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def least(self) -> int:
        """Of all vaults, the number of calls of the one that answered the fewest."""
        return min(self.answered.values())


@dataclass(frozen=True)
class DecryptLoad:
    """Reads what is expected and compares it; `expected` is each name's value."""

    ca: bytes
    token: str
    expected: Mapping[str, str]

    @asynccontextmanager
    async def on(self, vaults: Mapping[str, str]) -> AsyncIterator[Tally]:
        """Meanwhile the vaults are called, which are targets by name."""
        tally, over = Tally(Counter(dict.fromkeys(vaults, 0))), asyncio.Event()
        async with asyncio.TaskGroup() as callers:
            for vault, target in vaults.items():
                for number in range(CALLERS_OF_EACH):
                    callers.create_task(self._call(vault, target, number, tally, over))
            try:
                yield tally
            finally:
                over.set()

    async def _call(
        self, vault: str, target: str, number: int, tally: Tally, over: asyncio.Event
    ) -> None:
        names = sorted(self.expected)
        credentials = grpc.ssl_channel_credentials(self.ca)
        async with grpc.aio.secure_channel(target, credentials) as channel:
            while not over.is_set():
                number = (number + NAMES_OF_A_CALL) % len(names)
                asked = (names + names)[number : number + NAMES_OF_A_CALL]
                failure = await self._failure(channel, asked)
                tally.answered[vault] += 1
                if failure:
                    tally.failures.append(f"{vault}: {failure}")

    async def _failure(self, channel: grpc.aio.Channel, names: Sequence[str]) -> str:
        """What is wrong with the answer; empty if nothing is."""
        stub = decrypt_pb2_grpc.SecureValueDecrypterStub(channel)
        try:
            answer = await stub.DecryptSecureValues(
                decrypt_pb2.SecureValueDecryptRequest(namespace="default", names=names),
                metadata=(("x-access-token", self.token),),
                timeout=CALL_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name} {error.details()}"
        got = answer.decrypted_values
        wrong = [name for name in names if got[name].value != self.expected[name]]
        return "; ".join(f"{name}: {got[name].error_message or 'wrong'}" for name in wrong)
