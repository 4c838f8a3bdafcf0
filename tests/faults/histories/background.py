"""Decrypts that keep both vaults busy, so that others are always under way.

Half of them ask for the names that are being changed at that moment: an answer that they get is
the one that a wrongly shared decision would be taken from.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from chassis.sensitive import Sensitive
from protos.splitkeep.vault.v1.decrypter_pb2 import DecryptSecureValuesRequest
from splitkeep.local.stack import NAMESPACE
from tests.faults.histories.client import CALL_SECONDS

METHOD = "/splitkeep.vault.v1.Decrypter/DecryptSecureValues"
OF_CHANGED_NAMES = 0.75
PAUSE_SECONDS = 0.05  # of whoever was not answered


@dataclass(slots=True)
class Background:
    """How often each vault answered, and which failures there were."""

    token: Sensitive[str]
    resting: Sequence[str]  # names that nobody changes
    changed: Collection[str]  # names that somebody changes now; looked at for every call
    answered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def asking(
        self, vaults: Sequence[tuple[str, grpc.aio.Channel]], in_flight: int
    ) -> AsyncIterator[None]:
        """Meanwhile so many calls are under way over each channel."""
        tasks = [
            asyncio.create_task(self._keep_asking(vault, channel, number))
            for vault, channel in vaults
            for number in range(in_flight)
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended), ended

    async def _keep_asking(self, vault: str, channel: grpc.aio.Channel, number: int) -> None:
        chance = random.Random(number)
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        metadata = (("x-access-token", self.token.reveal()),)
        while True:
            request = DecryptSecureValuesRequest(
                namespace=NAMESPACE, names=[self._name(chance)]
            ).SerializeToString()
            try:
                await method(request, metadata=metadata, timeout=CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                self.failed[error.code().name] += 1
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self.answered[vault] += 1

    def _name(self, chance: random.Random) -> str:
        if self.changed and chance.random() < OF_CHANGED_NAMES:
            return chance.choice(list(self.changed))
        return chance.choice(self.resting)
