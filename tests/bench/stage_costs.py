"""What each stage of a decrypt costs by itself: microseconds of processor time.

One stage after another on the services' own objects (tests/bench/stage_parts.py), each worked
often enough to be timed. What runs in a loop finds everything in the processor's caches: these
are the least that the stages cost.

    python -m tests.bench.stage_costs     (told by a line of JSON, answers with one)
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, cast

import uvloop
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.log_level import LogLevel
from chassis.metrics import Metrics
from chassis.sensitive import Sensitive
from chassis.telemetry import configure_logging
from protos.decryptv1beta1 import decrypt_pb2
from tests.bench.running import MICROSECONDS
from tests.bench.stage_parts import (
    PEER,
    CannedContext,
    CannedDecrypt,
    CannedOpening,
    Case,
    Parts,
    SilentLog,
    answer_of,
    client_of,
    opening_of,
    prepare,
    resolving,
)
from tests.bench.under_test import DECRYPTER, NAMESPACE
from vault_svc.decision_log import StructuredDecisionLog
from vault_svc.domain.envelope import Format, ValueContext, ValueKeyContext, parse
from vault_svc.grpc_api.callers import decrypt_call
from vault_svc.grpc_api.grafana import GrafanaDecrypter, Messages
from vault_svc.ports.decisions import Answer, DecryptRecord
from vault_svc.use_cases.decrypt import (
    MAXIMUM_ANSWER_BYTES,
    DecryptCall,
    DecryptSecureValues,
)
from vault_svc.use_cases.opening import Form, Opening
from vault_svc.use_cases.readings import Asked, Reading

REPEATS, AT_ONCE = 5, 10
Work = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a series of one work is, in seconds of this thread's processor time."""

    enough: float

    async def us(self, work: Work) -> float:
        """Processor time of one work in microseconds; the median of several series."""
        await work()
        return median([await self._series(work) for _ in range(REPEATS)]) * MICROSECONDS

    async def _series(self, work: Work) -> float:
        count, began = 0, time.thread_time()
        while (took := time.thread_time() - began) < self.enough or not count:
            for _ in range(AT_ONCE):
                await work()
            count += AT_ONCE
        return took / count


@dataclass(frozen=True, slots=True)
class OfCalls:
    """What each call costs, in whatever batch it is."""

    parts: Parts
    case: Case
    context: CannedContext

    async def stages(self) -> dict[str, Work]:
        return {
            "call": self._empty_call(None),
            "peer's call": self._empty_call(frozenset({PEER})),
            "token": self._token,
            "request": self._request(),
            "right": await self._right(),
            "opening": self._opening(),
            "ciphers": self._ciphers(),
            "answer": self._answer(),
            "record": self._record(),
            "counters": self._counters(),
        }

    def _empty_call(self, peers: frozenset[str] | None) -> Work:
        """A method that does nothing, and everything around it."""
        method, metadata = self.parts.method(peers), self.context.invocation_metadata()

        async def serve() -> None:
            await method.call(metadata).stream_unary(None, self.context)

        return serve

    async def _token(self) -> object:
        return self.parts.authenticator.remembered(self.context.invocation_metadata())

    def _request(self) -> Callable[[], Awaitable[DecryptCall]]:
        """Read, with what its caller says of itself."""
        message = decrypt_pb2.SecureValueDecryptRequest
        sent = message(namespace=NAMESPACE, names=self.case.names).SerializeToString()

        async def read() -> DecryptCall:
            return decrypt_call(message.FromString(sent), self.context, Form.TEXT)

        return read

    async def _right(self) -> Work:
        """Names looked through, the right decided, outcomes put in order."""
        opening = CannedOpening({outcome.name: outcome for outcome in self.case.outcomes})
        decrypt, call = (
            DecryptSecureValues(cast(Opening, opening), SilentLog()),
            self._request(),
        )
        asked = await call()
        return lambda: decrypt.decrypt(asked)

    def _opening(self) -> Work:
        case = self.case
        reading = Reading(case.decided[0], too_large=False, values=case.stored.values)
        opening = opening_of(self.parts, reading)
        return lambda: opening.outcomes(case.asking, case.names)

    def _ciphers(self) -> Work:
        """Two openings for each name, of blobs that were taken apart before."""
        cipher, blobs = self.case.data_key.cipher, [*map(self._blobs, self.case.names)]

        async def open_all() -> None:
            for wrapped, key_bound, sealed, value_bound in blobs:
                value_key = cipher.decrypt(*wrapped, key_bound)
                AESGCM(value_key).decrypt(*sealed, value_bound)

        return open_all

    def _blobs(
        self, name: str
    ) -> tuple[tuple[bytes, bytes], bytes, tuple[bytes, bytes], bytes]:
        case = self.case
        key = case.keys[case.names.index(name)]
        sealed = case.stored.values[key].sealed
        key_context = ValueKeyContext(NAMESPACE, key.value_id, sealed.data_key_id)
        context = ValueContext(NAMESPACE, name, key.value_id)
        return (
            parse(sealed.wrapped_value_key, Format.WRAPPED_VALUE_KEY),
            key_context.associated_data(),
            parse(sealed.sealed_value, Format.SEALED_VALUE),
            context.associated_data(),
        )

    def _answer(self) -> Work:
        """Made and serialised."""
        decrypt = cast(DecryptSecureValues, CannedDecrypt(self.case.outcomes))
        servicer = GrafanaDecrypter(cast(Messages, decrypt_pb2), decrypt)
        request = decrypt_pb2.SecureValueDecryptRequest(namespace=NAMESPACE)

        async def answer() -> bytes:
            made = await servicer.DecryptSecureValues(request, self.context)
            serialised: bytes = made.SerializeToString()
            return serialised

        return answer

    def _record(self) -> Work:
        """A line of the log, and its names counted."""
        log, outcomes = StructuredDecisionLog(Metrics()), self.case.outcomes
        record = DecryptRecord(
            service_identity=DECRYPTER,
            claimed_identity="",
            issuer="https://issuer.invalid",
            subject=f"access-policy:{DECRYPTER}",
            namespace=NAMESPACE,
            answer=Answer.GRANTED,
            reason="",
            names=[outcome.name for outcome in outcomes],
            versions=[outcome.version for outcome in outcomes],
        )

        async def write() -> None:
            await log.record([record])

        return write

    def _counters(self) -> Work:
        """How a call ended, how long it took, and how its names were answered."""
        metrics = Metrics()
        figures = metrics.calls.of("stages", "Counted")
        granted = metrics.counter("names", "As the log's.", ("answer",)).labels("granted")

        async def count() -> None:
            figures.ended("OK")
            figures.took(0.001)
            granted.inc(len(self.case.outcomes))

        return count


@dataclass(frozen=True, slots=True)
class OfBatches:
    """What each batch costs, however many calls are in it."""

    parts: Parts
    case: Case

    def stages(self) -> dict[str, Work]:
        client, resolve = client_of(self.case.answered), resolving(self.case.located)
        return {
            "tasks": self._tasks(self._waiting),
            "readings": self._tasks(self._reading()),
            "messages": lambda: client.resolve(self.case.questions),
            "decisions": lambda: answer_of(resolve, self.case.sent),
            "metadata's query": lambda: self.parts.reader.locate(self.case.addresses),
            "vault's query": lambda: self.parts.values.read(
                self.case.keys, maximum_bytes=MAXIMUM_ANSWER_BYTES
            ),
        }

    def _tasks(self, each: Callable[[int], Awaitable[object]]) -> Work:
        """As many tasks as there are questions, as gRPC makes one for each call."""

        async def run() -> None:
            tasks = [asyncio.ensure_future(each(n)) for n in range(len(self.case.questions))]
            await asyncio.wait(tasks)

        return run

    async def _waiting(self, _number: int) -> None:
        """What any call that waits for an answer costs."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[None] = loop.create_future()
        loop.call_soon(answer.set_result, None)
        await answer

    def _reading(self) -> Callable[[int], Awaitable[object]]:
        readings = self.case.readings()
        asked = [Asked(question, MAXIMUM_ANSWER_BYTES) for question in self.case.questions]
        return lambda number: readings.of(asked[number])


def _metadata_of(token: Sensitive[str]) -> tuple[tuple[str, str], ...]:
    return (("x-access-token", token.reveal()),)


async def costs(told: Mapping[str, Any]) -> list[dict[str, float]]:
    """Of each case (questions in a batch, names in each), by stage."""
    parts, timing = await Parts.of(told), Timing(told["seconds"])
    token = Sensitive(told["token"])
    # Verified once, as by the call before: from now on the token is remembered.
    context = CannedContext(token, await parts.authenticator.caller(_metadata_of(token)))
    found = []
    for questions, names in told["cases"]:
        case = await prepare(parts, questions, names)
        works = await OfCalls(parts, case, context).stages() | OfBatches(parts, case).stages()
        found.append({name: await timing.us(work) for name, work in works.items()})
    return found


def main() -> None:
    told: dict[str, Any] = json.loads(sys.stdin.readline())
    with (
        tempfile.TemporaryFile("w") as log,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        configure_logging("vault", LogLevel.INFO, log)
        found: Sequence[Mapping[str, float]] = runner.run(costs(told))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
