"""The fast accept mode: grpc.aio's own loop finds the next calls ready.

grpc.aio asks its core for one call, and for the next one a turn of the event loop later. A
busy loop has long turns, so calls wait where nobody counts or refuses them. Here several
requests for a call are outstanding, and grpc.aio's loop takes all calls that have come in one
turn. What happens to a call from then on is grpc.aio's business alone.

Refusing a call costs more than half of what serving one does. So after a refusal a busy server
accepts at most OUTSTANDING_ACCEPTS calls in BACKOFF_SECONDS; the others wait in gRPC's core.

Private names of grpcio, here and nowhere else: the class `cygrpc.AioServer`, which a
grpc.aio.Server wraps, and its method `_request_call`, which is replaced in a subclass. Nothing
of grpcio is patched. `problem()` tells whether both are what this module was written for.
"""

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no stub

OUTSTANDING_ACCEPTS = 256
REFUSALS_PER_SECOND = 3_200
BACKOFF_SECONDS = OUTSTANDING_ACCEPTS / REFUSALS_PER_SECOND
STEP_SECONDS = 0.01
BUSY = 0.5  # of a step: a loop that is less busy has time for more refusals
TESTED_VERSIONS = frozenset({"1.78.2"})


def problem() -> str | None:
    """Why this grpcio does not allow the mode; None if it does."""
    if grpc.__version__ not in TESTED_VERSIONS:
        return f"grpcio {grpc.__version__} is none of {', '.join(sorted(TESTED_VERSIONS))}"
    request_call = getattr(getattr(cygrpc, "AioServer", None), "_request_call", None)
    if request_call is None or list(inspect.signature(request_call).parameters) != ["self"]:
        return "this grpcio lacks what the mode needs"
    return None


def new_server(options: Sequence[tuple[str, int]]) -> Any:
    """A grpc.aio.Server, as far as a port needs one, and its `backoff`."""
    return _PrefetchingServer(options)


class Backoff:
    """Lasts until the event loop has time, BACKOFF_SECONDS at most."""

    def __init__(self) -> None:
        self._under_way: asyncio.Task[None] | None = None
        self._ended = False

    def begin(self) -> None:
        """Starts a backoff, unless one is running."""
        if self._under_way is None and not self._ended:
            self._under_way = asyncio.create_task(self._until_there_is_time())

    async def over(self) -> None:
        """Returns when no backoff is running."""
        if self._under_way is not None:
            await asyncio.shield(self._under_way)

    def end(self) -> None:
        """Ends a running backoff within STEP_SECONDS, and prevents further ones."""
        self._ended = True

    async def _until_there_is_time(self) -> None:
        end, busy = time.monotonic() + BACKOFF_SECONDS, 1.0
        while busy >= BUSY and not self._ended and time.monotonic() < end:
            began, used = time.monotonic(), time.thread_time()
            await asyncio.sleep(STEP_SECONDS)
            busy = (time.thread_time() - used) / (time.monotonic() - began)
        self._under_way = None


class _PrefetchingServer(cygrpc.AioServer):  # type: ignore[misc]  # it has no stub
    """grpc.aio's accept loop gets calls that have already arrived, without waiting a turn."""

    def __init__(self, options: Sequence[tuple[str, int]]) -> None:
        self._running_loop = asyncio.get_running_loop()
        super().__init__(self._running_loop, None, (), (), options, None)
        self.backoff = Backoff()
        self._arrived: deque[Any] = deque()
        self._arrival: asyncio.Future[None] = self._running_loop.create_future()
        self._acceptors: list[asyncio.Task[None]] = []
        self._stopped: Exception | None = None

    def add_secure_port(self, address: str, credentials: grpc.ServerCredentials) -> int:
        """See grpc.aio.Server. Raises RuntimeError if the address cannot be had."""
        number: int = super().add_secure_port(address.encode(), credentials)
        if not number:
            raise RuntimeError(f"failed to bind to {address}")
        return number

    async def stop(self, grace: float | None) -> None:
        """See grpc.aio.Server."""
        await self.shutdown(grace)

    async def _request_call(self) -> Any:
        """The next call; raises what grpc.aio's own raises once the server stops."""
        if not self._acceptors:
            accepts = (self._accept() for _ in range(OUTSTANDING_ACCEPTS))
            self._acceptors = [self._running_loop.create_task(accept) for accept in accepts]
        while not self._arrived:
            if self._stopped is not None:
                raise self._stopped
            if not self.is_running():
                return await super()._request_call()  # raises: the server stops
            self._arrival = self._running_loop.create_future()
            await self._arrival
        return self._arrived.popleft()

    async def _accept(self) -> None:
        """Keeps one request for a call outstanding until the server stops."""
        try:
            while self.is_running():
                self._arrived.append(await super()._request_call())
                self._wake()
                await self.backoff.over()
        except Exception as stopped:  # noqa: BLE001  # its class has no public name
            self._stopped = stopped
        self._wake()

    def _wake(self) -> None:
        if not self._arrival.done():
            self._arrival.set_result(None)
