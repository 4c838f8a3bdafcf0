"""Light clients beside a heavy load, each on a connection of its own, who see every answer.

- The polite one has one call under way, and a token and a secret of its own. Refused, it waits
  a moment, as a client should.
- The probe has the token of those who make the load, and shares what befalls them: it calls at
  even intervals, whatever becomes of its earlier calls, and so learns how soon one is refused.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from chassis.sensitive import Sensitive
from protos.decryptv1beta1.decrypt_pb2 import (
    SecureValueDecryptRequest,
    SecureValueDecryptResponseCollection,
)
from tests.bench.measuring import MILLISECONDS, percentile
from tests.bench.requests import DECRYPT
from tests.bench.under_test import NAMESPACE, StackUnderTest

DEADLINE_SECONDS = 10.0
PAUSE_SECONDS = 0.05
PROBES_PER_SECOND = 40
OK = grpc.StatusCode.OK
REFUSED = grpc.StatusCode.RESOURCE_EXHAUSTED


@dataclass(frozen=True, slots=True)
class Seen:
    """How each call ended, and after how many seconds."""

    answers: list[tuple[grpc.StatusCode, float]] = field(default_factory=list)

    def count(self, code: grpc.StatusCode) -> int:
        return sum(1 for ended, _ in self.answers if ended is code)

    def p99_ms(self, code: grpc.StatusCode) -> float:
        """Of the calls that ended so; 0 if none did."""
        took = sorted(seconds for ended, seconds in self.answers if ended is code)
        return percentile(took, 99) * MILLISECONDS if took else 0.0

    @property
    def share_ok(self) -> float:
        """Of all that were made; 0 if there were none."""
        return self.count(OK) / len(self.answers) if self.answers else 0.0


@dataclass(frozen=True, slots=True)
class Client:
    """Decrypts one name, again and again."""

    channel: grpc.aio.Channel
    token: Sensitive[str]
    name: str
    seen: Seen = field(default_factory=Seen)

    async def ask(self) -> grpc.StatusCode:
        """How the call ended; it has been seen."""
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
        method = self.channel.unary_unary(f"/{DECRYPT}")
        request = SecureValueDecryptRequest(namespace=NAMESPACE, names=[self.name])
        metadata = (("x-access-token", self.token.reveal()),)
        began = time.monotonic()
        call = method(request.SerializeToString(), metadata=metadata, timeout=DEADLINE_SECONDS)
        code = await call.code()
        took = time.monotonic() - began
        if code is OK:
            self._check(await call)
        self.seen.answers.append((code, took))
        return code

    def _check(self, answer: bytes) -> None:
        """Raises RuntimeError if it is not a value."""
        answered = SecureValueDecryptResponseCollection.FromString(answer)
        if not answered.decrypted_values[self.name].value:
            raise RuntimeError(f"{self.name} was not decrypted")

    async def one_after_another(self) -> None:
        while True:
            if await self.ask() is not OK:
                await asyncio.sleep(PAUSE_SECONDS)

    async def at_intervals(self) -> None:
        async with asyncio.TaskGroup() as asking:
            while True:
                asking.create_task(self.ask())
                await asyncio.sleep(1 / PROBES_PER_SECOND)


@dataclass(frozen=True, slots=True)
class Bystanders:
    """What each of them saw."""

    polite: Seen
    probe: Seen


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of the polite client, and of those who make the load."""

    polite: Sensitive[str]
    greedy: Sensitive[str]


def connection(stack: StackUnderTest) -> grpc.aio.Channel:
    """One that no other channel of this process shares, however like it that one is."""
    credentials = grpc.ssl_channel_credentials(stack.ca.read_bytes())
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
    return grpc.aio.secure_channel(stack.vault, credentials, options)


@asynccontextmanager
async def bystanders(
    stack: StackUnderTest, tokens: Tokens, names: Sequence[str]
) -> AsyncIterator[Bystanders]:
    """Both call for the length of the block; `names` are the polite one's and the probe's."""
    mine, theirs = names
    async with (
        connection(stack) as own,
        connection(stack) as other,
    ):
        polite = Client(own, tokens.polite, mine)
        probe = Client(other, tokens.greedy, theirs)
        for client in (polite, probe):
            await client.channel.channel_ready()
        calls = (polite.one_after_another(), probe.at_intervals())
        calling = [asyncio.create_task(each) for each in calls]
        try:
            yield Bystanders(polite.seen, probe.seen)
        finally:
            for task in calling:
                task.cancel()
            await asyncio.wait(calling)
    for task in calling:
        if not task.cancelled() and (error := task.exception()):
            raise error
