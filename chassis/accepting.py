"""Calls taken on as they come, and not one in each turn of the event loop.

grpc.aio asks its core for one call at a time, and for the next one turn of the loop later. The
busier the loop, the longer its turns, and calls wait where nobody counts, refuses or drops
them. So a port asks for several at once (docs/adr/0016). And where there is little room, a call
is looked at before anything is made for it: to refuse one so takes some 0.6 of the work.

grpc.aio has no name for that: this is the one place that uses its private ones, for the version
that is pinned, and they do here what its own loop does with them.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Protocol

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no stub

from chassis.grpc_methods import Handler, Refusal

AT_ONCE = 256


class _Server(Protocol):
    """The core's server behind a grpc.aio.Server."""

    async def _request_call(self) -> Any: ...


# ruff: noqa: SLF001  # see above


class Accepting:
    """Takes on calls of a grpc.aio.Server next to the server itself, until that stops."""

    def __init__(
        self,
        server: grpc.aio.Server,
        handlers: Sequence[grpc.GenericRpcHandler],
        *,
        crowded: Callable[[], bool],
        limit: int,
    ) -> None:
        """`handlers` are all that the server has; they refuse no call unless `crowded()`.

        At most `limit` calls are served at a time; those beyond end with RESOURCE_EXHAUSTED.
        """
        self._server: _Server = vars(server)["_server"]
        self._handlers = list(handlers)
        self._crowded, self._limit = crowded, limit
        self._calls: set[asyncio.Task[None]] = set()
        self._asking: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """From now on several calls at once are taken on; the server has started."""
        self._asking = [asyncio.create_task(self._accept()) for _ in range(AT_ONCE)]

    async def _accept(self) -> None:
        while True:
            try:
                call = await self._server._request_call()
            except Exception:  # noqa: BLE001  # whatever it is: the server itself goes on asking
                return
            task = asyncio.create_task(self._answered(call))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _answered(self, call: Any) -> None:
        if not self._crowded():
            return await self._served(call, self._handlers)
        handler = self._handler(call)
        if isinstance(handler, Refusal):
            return await _refused(call, handler)
        return await self._served(call, [_Found(handler)])

    def _served(
        self, call: Any, handlers: list[grpc.GenericRpcHandler]
    ) -> Coroutine[Any, Any, None]:
        loop = asyncio.get_running_loop()
        too_many = len(self._calls) >= self._limit
        handled = cygrpc._handle_rpc(handlers, (), call, loop, too_many)
        served: Coroutine[Any, Any, None] = cygrpc._schedule_rpc_coro(handled, call, loop)
        return served

    def _handler(self, call: Any) -> Handler | None:
        """What is to serve the call; None if its method is not here."""
        details = _details(call)
        found = (handler.service(details) for handler in self._handlers)
        return next((handler for handler in found if handler is not None), None)


class _Found(grpc.GenericRpcHandler):
    """The handlers of a call for which the one that serves it has been found."""

    def __init__(self, handler: Handler | None) -> None:
        self._handler = handler

    def service(self, _details: grpc.HandlerCallDetails) -> Handler | None:
        """See grpc.GenericRpcHandler."""
        return self._handler


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
