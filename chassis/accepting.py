"""Calls taken on as they come, and not one in each turn of the event loop.

grpc.aio asks its core for one call at a time, and for the next one turn of the loop later. The
busier the loop, the longer its turns, and calls wait where nobody counts, refuses or drops
them. So a port asks for several at once (docs/adr/0016).

grpc.aio has no name for that: this is the one place that uses its private ones, for the version
that is pinned, and they do here what its own loop does with them.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no stub

AT_ONCE = 16


class _Server(Protocol):
    """The core's server behind a grpc.aio.Server."""

    async def _request_call(self) -> Any: ...


# ruff: noqa: SLF001  # see above


class Accepting:
    """Takes on calls of a grpc.aio.Server next to the server itself, until that stops."""

    def __init__(
        self, server: grpc.aio.Server, handlers: Sequence[grpc.GenericRpcHandler], limit: int
    ) -> None:
        """`handlers` are all that the server has.

        At most `limit` calls are served at a time; those beyond end with RESOURCE_EXHAUSTED.
        """
        self._server: _Server = vars(server)["_server"]
        self._handlers = list(handlers)
        self._limit = limit
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
            task = asyncio.create_task(self._served(call))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    def _served(self, call: Any) -> Coroutine[Any, Any, None]:
        loop = asyncio.get_running_loop()
        too_many = len(self._calls) >= self._limit
        handled = cygrpc._handle_rpc(self._handlers, (), call, loop, too_many)
        served: Coroutine[Any, Any, None] = cygrpc._schedule_rpc_coro(handled, call, loop)
        return served
