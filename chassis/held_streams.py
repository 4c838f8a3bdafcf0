"""Questions over streams that stay open, each stream for one question at a time.

What a unary call brings each time, headers, a handler, a status, a stream brings once: a
question costs about half as much (docs/adr/0017). In return:

- A stream whose question failed, or was given up, ends with it: no answer can be taken for that
  to another question.
- A stream that stood idle may have lost its peer meanwhile. A question that finds that out is
  asked once more, over a stream of its own: so only what may be asked twice belongs here.
- A stream is left after STREAM_SECONDS, once it has its answer: questions follow connections,
  no old connection is kept for an idle stream, and a peer that is new gets its share.

As many streams are open as questions were asked at the same time, of late.
"""

import asyncio
from typing import Any, Generic, TypeVar

import grpc

from chassis.errors import DeadlineExceededError, UnavailableError
from chassis.grpc_client import call_timeout, known_error
from chassis.peer_status import WritableStream

Request = TypeVar("Request")
Response = TypeVar("Response")

STREAM_SECONDS = 10.0


class _Held:
    """A stream, and whether it has been held long enough."""

    __slots__ = ("over", "requests", "stream")

    def __init__(self, stream: Any) -> None:
        self.stream = stream  # a grpc.aio.StreamStreamCall
        self.requests = WritableStream(stream)
        self.over = False


class HeldStreams(Generic[Request, Response]):
    """Asks one method of a peer, which answers requests in turn."""

    def __init__(self, method: "grpc.aio.StreamStreamMultiCallable[Request, Response]") -> None:
        self._method = method
        self._idle: list[_Held] = []

    async def ask(self, request: Request, *, deadline_seconds: float) -> Response:
        """The peer's answer, within `deadline_seconds` or what is left of the present request.

        Raises what grpc_client.call() raises.
        """
        try:
            async with asyncio.timeout(call_timeout(deadline_seconds)):
                return await self._ask(request)
        except TimeoutError:
            raise DeadlineExceededError from None

    async def _ask(self, request: Request) -> Response:
        if self._idle:
            try:
                return await self._answer(self._idle.pop(), request)
            except UnavailableError:
                self._end_idle()  # they lead to the same peer
        return await self._answer(self._opened(), request)

    async def _answer(self, held: _Held, request: Request) -> Response:
        stream = held.stream
        try:
            await held.requests.write(request)
            answer: Response = await stream.read()
        except grpc.aio.AioRpcError as error:
            raise known_error(error) from None
        except BaseException:
            stream.cancel()
            raise
        if answer is grpc.aio.EOF:  # type: ignore[attr-defined]  # its stub has it not
            raise UnavailableError
        if held.over:
            stream.cancel()
        else:
            self._idle.append(held)
        return answer

    def _opened(self) -> _Held:
        held = _Held(self._method())
        asyncio.get_running_loop().call_later(STREAM_SECONDS, self._leave, held)
        return held

    def _leave(self, held: _Held) -> None:
        held.over = True
        if held in self._idle:
            self._idle.remove(held)
            held.stream.cancel()

    def _end_idle(self) -> None:
        while self._idle:
            self._idle.pop().stream.cancel()
