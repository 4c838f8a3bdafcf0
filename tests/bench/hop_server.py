"""Two processes and the hop between them: a front asks for every call, a back decides.

Both are grpc.aio servers; the front's clients present no certificate, the back's do. The hop
carries the real messages, over the services' own channel, in two ways: a unary call with a
deadline each, or over the services' own held streams, one for each question under way. The back
allows every name without a look: what is measured is the hop.

    python -m tests.bench.hop_server back|front '{"certificate": …, "private_key": …, "ca": …,
                                                   "ready_file": …, "back": …}'
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import uvloop

from chassis.grpc_client import open_channel
from chassis.held_streams import HeldStreams
from protos.splitkeep.metadata.v1.vault_peer_pb2 import (
    DECISION_ALLOWED,
    Decisions,
    ResolveRequest,
    ResolveResponse,
)
from splitkeep.certificates import KeyPair
from tests.bench.floor_server import HOST

SERVICE = "splitkeep.bench.Hop"
NO_HOP, UNARY, STREAM = "NoHop", "Unary", "Stream"
SHARED = "Shared"  # after UNARY or STREAM: those who wait for a hop share the next one
DEADLINE_SECONDS = 5
REQUEST_ID = "0" * 32
Answer = asyncio.Future[ResolveResponse]
Hop = Callable[[ResolveRequest], Awaitable[ResolveResponse]]
_ENCODE: Callable[[Any], bytes] = ResolveResponse.SerializeToString
_ENCODE_REQUEST: Callable[[Any], bytes] = ResolveRequest.SerializeToString


class Handlers(grpc.GenericRpcHandler):
    """Serves methods by their names, whatever the service."""

    def __init__(self, methods: dict[str, Any]) -> None:
        self._methods = methods

    def service(self, call: grpc.HandlerCallDetails) -> Any:
        return self._methods.get(call.method.rpartition("/")[2])


def decided(request: ResolveRequest) -> ResolveResponse:
    """Every name of every question is allowed."""
    answers = []
    for question in request.questions:
        count = len(question.names)
        decisions = [DECISION_ALLOWED] * count
        answers.append(
            Decisions(decisions=decisions, value_ids=bytes(16 * count), versions=[1] * count)
        )
    return ResolveResponse(answers=answers)


async def _decide(request: ResolveRequest, _context: Any) -> ResolveResponse:
    return decided(request)


async def _decide_all(
    requests: AsyncIterator[ResolveRequest], _context: Any
) -> AsyncIterator[ResolveResponse]:
    async for request in requests:
        yield decided(request)


def back_methods() -> dict[str, Any]:
    codec: Any = (ResolveRequest.FromString, _ENCODE)
    return {
        UNARY: grpc.unary_unary_rpc_method_handler(_decide, *codec),
        STREAM: grpc.stream_stream_rpc_method_handler(_decide_all, *codec),
    }


def front_methods(channel: grpc.aio.Channel) -> dict[str, Any]:
    unary, stream = unary_hop(channel), stream_hop(channel)
    hops: dict[str, Hop] = {
        NO_HOP: _no_hop,
        UNARY: unary,
        STREAM: stream,
        UNARY + SHARED: SharedHop(unary).ask,
        STREAM + SHARED: SharedHop(stream).ask,
    }
    return {name: _serving(hop) for name, hop in hops.items()}


def _serving(hop: Hop) -> Any:
    async def serve(request: ResolveRequest, _context: Any) -> ResolveResponse:
        return await hop(request)

    return grpc.unary_unary_rpc_method_handler(serve, ResolveRequest.FromString, _ENCODE)


async def _no_hop(request: ResolveRequest) -> ResolveResponse:
    return decided(request)


def unary_hop(channel: grpc.aio.Channel) -> Hop:
    """A call with what the services' own have: a deadline and a request id."""
    method: Any = channel.unary_unary(
        f"/{SERVICE}/{UNARY}", _ENCODE_REQUEST, ResolveResponse.FromString
    )
    metadata = (("x-request-id", REQUEST_ID),)

    async def ask(request: ResolveRequest) -> ResolveResponse:
        answer: ResolveResponse = await method(
            request, timeout=DEADLINE_SECONDS, metadata=metadata
        )
        return answer

    return ask


def stream_hop(channel: grpc.aio.Channel) -> Hop:
    """The services' own streams."""
    method: Any = channel.stream_stream(
        f"/{SERVICE}/{STREAM}", _ENCODE_REQUEST, ResolveResponse.FromString
    )
    streams: HeldStreams[ResolveRequest, ResolveResponse] = HeldStreams(method)
    return partial(streams.ask, deadline_seconds=DEADLINE_SECONDS)


def _say(answer: Answer, response: ResolveResponse) -> None:
    if not answer.done():  # its caller may have gone away
        answer.set_result(response)


class SharedHop:
    """One hop at a time: the questions that arrive meanwhile go together in the next."""

    def __init__(self, hop: Hop) -> None:
        self._hop = hop
        self._waiting: list[tuple[ResolveRequest, Answer]] = []
        self._working: asyncio.Task[None] | None = None

    async def ask(self, request: ResolveRequest) -> ResolveResponse:
        answer: Answer = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            together = ResolveRequest(
                questions=[question for request, _ in batch for question in request.questions]
            )
            answers = iter((await self._hop(together)).answers)
            for request, waiting in batch:
                own = [next(answers) for _ in request.questions]
                _say(waiting, ResolveResponse(answers=own))
        self._working = None


async def serve(role: str, told: dict[str, str]) -> None:
    """Serves until SIGTERM; the port is in the ready file as soon as there is one."""
    pair = KeyPair(Path(told["certificate"]), Path(told["private_key"]))
    ca = Path(told["ca"])
    async with AsyncExitStack() as stack:
        if role == "front":
            channel = open_channel(
                told["back"],
                ca=ca,
                certificate_chain=pair.certificate,
                private_key=pair.private_key,
            )
            methods = front_methods(await stack.enter_async_context(channel))
        else:
            methods = back_methods()
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Handlers(methods),))
        port = server.add_secure_port(f"{HOST}:0", _credentials(role, ca, pair))
        await server.start()
        _announce(port, Path(told["ready_file"]))
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        await stopping.wait()
        await server.stop(0)


def _credentials(role: str, ca: Path, pair: KeyPair) -> grpc.ServerCredentials:
    pairs = [(pair.private_key.read_bytes(), pair.certificate.read_bytes())]
    if role == "front":
        return grpc.ssl_server_credentials(pairs)
    return grpc.ssl_server_credentials(pairs, ca.read_bytes(), require_client_auth=True)


def _announce(port: int, ready: Path) -> None:
    unfinished = ready.with_suffix(".new")
    unfinished.write_text(json.dumps({"port": port}))
    unfinished.replace(ready)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], json.loads(sys.argv[2])))
