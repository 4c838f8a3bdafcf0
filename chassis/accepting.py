"""Calls taken on as they come, and not one in each turn of the event loop.

grpc.aio asks its core for one call at a time, and for the next one turn of the loop later. The
busier the loop, the longer its turns, and calls wait where nobody counts, refuses or drops
them. So a port asks for several at once (docs/adr/0016).

A call has its place, or is one too many, in the very turn in which it is taken on: what comes
in the same turn finds it taken. Refusing costs more than half of what serving does, so a busy
loop refuses no more than REFUSALS_PER_SECOND: who has refused a call rests before it takes on
another, and meanwhile calls wait in gRPC's core (docs/adr/0019).

grpc.aio has no name for that: this is the one place that uses its private ones, for the version
that is pinned, and they do here what its own loop does with them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeAlias

import grpc
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no stub

from chassis.grpc_calls import Call, Metadata
from chassis.grpc_methods import Handler, Refusal
from chassis.redaction import describe_exception

AT_ONCE = 256
REFUSALS_PER_SECOND = 3_200
REST_SECONDS = AT_ONCE / REFUSALS_PER_SECOND
STEP_SECONDS = 0.01
QUIET_SECONDS = 0.05  # in which no call comes, if none waits; some steps, for those who rest
BUSY = 0.5  # of its time: a loop that is less so has time for more refusals

# A call of the core's, which has no type. Raises _RequestCallError once the server stops.
_NextCall: TypeAlias = Callable[[], Awaitable[Any]]

_log = structlog.get_logger(__name__)

# ruff: noqa: SLF001  # see above


class Accepting:
    """Takes on the calls of one grpc.aio.Server in its stead."""

    def __init__(self, handlers: Sequence[grpc.GenericRpcHandler], *, limit: int) -> None:
        """At most `limit` calls are served at a time.

        Those beyond end with RESOURCE_EXHAUSTED.
        """
        self._handlers = handlers
        self._limit = limit
        self._context = copy_context()
        self._calls: set[asyncio.Task[None]] = set()
        self._rest: asyncio.Task[None] | None = None
        self._draining = False
        self._count = 0  # of the calls that were taken on or refused

    def of(self, server: grpc.aio.Server) -> None:
        """Once the server starts, the handlers serve its calls; it needs none of its own."""
        core: _Core = vars(server)["_server"]
        core.accept = self._all

    async def drain(self, seconds: float) -> None:
        """What waited in the core has been taken on, or so many `seconds` have passed.

        Whatever comes from now on is taken on without a rest.
        """
        self._draining = True
        end, before = time.monotonic() + seconds, -1
        while self._count > before and time.monotonic() < end:
            before = self._count
            await asyncio.sleep(QUIET_SECONDS)

    async def _all(self, next_call: _NextCall) -> None:
        """Calls have been taken on until the server stopped."""
        await asyncio.gather(*(self._accept(next_call) for _ in range(AT_ONCE)))

    async def _accept(self, next_call: _NextCall) -> None:
        with suppress(cygrpc._RequestCallError):  # the server stops
            while True:
                # The call has no name here: it would be kept until there is another.
                if not self._taken_on(await next_call()):
                    await self._rested()

    async def _rested(self) -> None:
        """All that have refused a call in the meantime begin again together."""
        if self._rest is None or self._rest.done():
            self._rest = asyncio.create_task(self._until_there_is_time())
        await asyncio.shield(self._rest)

    async def _until_there_is_time(self) -> None:
        end = time.monotonic() + REST_SECONDS
        busy = 1.0
        while busy >= BUSY and not self._draining and time.monotonic() < end:
            began, used = time.monotonic(), time.thread_time()
            await asyncio.sleep(STEP_SECONDS)
            busy = (time.thread_time() - used) / (time.monotonic() - began)

    def _taken_on(self, call: Any) -> bool:
        """False if the call was one too many; it is ended, or served, or waits for its turn."""
        self._count += 1
        if len(self._calls) >= self._limit:
            self._run(_served(call, _Found(_ANY), too_many=True))
            return False
        try:
            handler = _handler(_details(call), self._handlers)
        except UnicodeDecodeError:  # of a path that is no text: grpc.aio will find that, too
            handler = None
        except Exception as error:  # noqa: BLE001  # it ends this call, and no other
            _log.error("call failed", failure=describe_exception(error))
            self._run(_served(call, _Failed()))
            return True
        if isinstance(handler, Refusal):
            self._run(_refused(call, handler))
            return False
        if isinstance(handler, Call):
            handler.queue(lambda: self._run(_served(call, _Found(handler))))
        else:
            self._run(_served(call, _Found(handler)))
        return True

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        # A call whose turn comes is started by the one that ends, in whose context this runs.
        task = asyncio.create_task(work, context=self._context.copy())
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)


async def _served(call: Any, found: grpc.GenericRpcHandler, *, too_many: bool = False) -> None:
    loop = asyncio.get_running_loop()
    handled = cygrpc._handle_rpc([found], (), call, loop, too_many)
    await cygrpc._schedule_rpc_coro(handled, call, loop)


class _Core(cygrpc.AioServer):  # type: ignore[misc]  # it has no stub
    """The core's server behind a grpc.aio.Server."""

    accept: Callable[[_NextCall], Awaitable[None]] | None = None

    async def _request_call(self) -> Any:
        """The next call, for grpc.aio's own loop, which asks again and again.

        If somebody takes on the calls in its stead, it never gets one.
        """
        next_call = super()._request_call
        if self.accept is None:
            return await next_call()
        await self.accept(next_call)
        raise cygrpc._RequestCallError  # the server stops, and with it that loop


cygrpc.AioServer = _Core


class _Found(grpc.GenericRpcHandler):
    """The handlers of a call for which the one that serves it has been found."""

    def __init__(self, handler: Handler | None) -> None:
        self._handler = handler

    def service(self, _details: grpc.HandlerCallDetails) -> Handler | None:
        """See grpc.GenericRpcHandler."""
        return self._handler


class _Failed(grpc.GenericRpcHandler):
    """The handlers of a call for which looking for one has failed.

    What has gone wrong has been told without its text, which grpc.aio would send to the caller.
    """

    def service(self, _details: grpc.HandlerCallDetails) -> None:
        """See grpc.GenericRpcHandler."""
        raise RuntimeError("internal error")


_ANY = object()  # for a call that ends before it is served


class _Details(grpc.HandlerCallDetails):
    """See grpc.HandlerCallDetails."""

    def __init__(self, method: str, invocation_metadata: Metadata) -> None:
        self.method = method
        self.invocation_metadata = tuple(invocation_metadata)


async def _find_method_handler(
    method: str,
    metadata: Metadata,
    handlers: Sequence[grpc.GenericRpcHandler],
    _interceptors: tuple[()],
) -> Handler | None:
    """What the handlers have for a call with this method and these headers.

    It stands in for grpc.aio's own, which makes a circle of references, and so keeps the
    headers and the token among them until the garbage collector comes by.
    """
    return _handler(_Details(method, metadata), handlers)


cygrpc._find_method_handler = _find_method_handler


def _handler(
    details: grpc.HandlerCallDetails, handlers: Sequence[grpc.GenericRpcHandler]
) -> Handler | None:
    """What is to serve the call; None if its method is not here."""
    for handler in handlers:
        found = handler.service(details)
        if found is not None:
            return found
    return None


class _AskedError(Exception):
    """Not an error: it brings the details of a call to where they are wanted."""

    def __init__(self, details: grpc.HandlerCallDetails) -> None:
        super().__init__()
        self.details = details


class _Asking(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> None:
        raise _AskedError(details)


_ASKING: list[grpc.GenericRpcHandler] = [_Asking()]


def _details(call: Any) -> grpc.HandlerCallDetails:
    """A call's method and headers, which grpc.aio tells nobody but the handlers it asks.

    It asks them before it waits for anything, so that one step is enough.
    """
    loop, too_many = asyncio.get_running_loop(), False
    try:
        cygrpc._handle_rpc(_ASKING, (), call, loop, too_many).send(None)
    except _AskedError as asked:
        return asked.details
    raise AssertionError("grpc.aio has waited before it asked for a handler")


async def _refused(call: Any, refusal: Refusal) -> None:
    """The call has ended with the refusal's status, or its caller has left."""
    refusal.counted()
    begun = cygrpc.SendInitialMetadataOperation(None, 0)
    loop = asyncio.get_running_loop()
    with suppress(cygrpc.ExecuteBatchError):
        await cygrpc._send_error_status_from_server(
            call, refusal.code, refusal.message, refusal.trailing, begun, loop
        )
