"""Questions over streams that stay open, each stream for one question at a time.

What a unary call brings each time, headers, a handler, a status, a stream brings once: a
question costs about half as much (docs/adr/0017). In return:

- A stream whose question failed, or was given up, ends with it: no answer can be taken for that
  to another question.
- A stream that stood idle may have lost its peer meanwhile. A question that finds that out is
  asked once more, over a stream of its own: so only what may be asked twice belongs here.
- A stream is left for another after STREAM_SECONDS: questions follow the connections, and a
  peer that has come back or is new gets its share.

As many streams are open as questions were ever asked at the same time.
"""

import asyncio
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

import grpc

from chassis.errors import DeadlineExceededError, UnavailableError
from chassis.grpc_client import call_timeout, known_error

Request = TypeVar("Request")
Response = TypeVar("Response")

STREAM_SECONDS = 10.0


class _Held(NamedTuple):
    stream: Any  # a grpc.aio.StreamStreamCall
    until: float  # of the loop's time


class HeldStreams(Generic[Request, Response]):
    """Asks one method of a peer, which answers requests in turn."""

    def __init__(self, method: "grpc.aio.StreamStreamMultiCallable[Request, Response]") -> None:
        self._method = method
        self._idle: list[_Held] = []  # a stack: the rest grow old unused

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
        held = self._held()
        if held is not None:
            try:
                return await self._answer(held, request)
            except UnavailableError:
                self._end_idle()  # they lead to the same peer
        return await self._answer(self._opened(), request)

    async def _answer(self, held: _Held, request: Request) -> Response:
        stream = held.stream
        try:
            with suppress(asyncio.InvalidStateError):  # it has ended: reading tells how
                await stream.write(request)
            answer: Response = await stream.read()
        except grpc.aio.AioRpcError as error:
            raise known_error(error) from None
        except BaseException:
            stream.cancel()
            raise
        if answer is grpc.aio.EOF:  # type: ignore[attr-defined]  # its stub has it not
            raise UnavailableError
        self._idle.append(held)
        return answer

    def _held(self) -> _Held | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            held = self._idle.pop()
            if now < held.until:
                return held
            held.stream.cancel()
        return None

    def _opened(self) -> _Held:
        return _Held(self._method(), asyncio.get_running_loop().time() + STREAM_SECONDS)

    def _end_idle(self) -> None:
        while self._idle:
            self._idle.pop().stream.cancel()
