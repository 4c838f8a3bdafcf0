"""A port's gRPC server, and the next one if it ends without having been stopped.

grpc.aio ends a server whose accept loop fails: it closes the port, and the process goes on
without it. In grpcio 1.85 a stranger's request is enough (docs/upstream). Such a server is
replaced at once, at the same address; calls under way go on where they are.

Readiness fails from the moment the end is seen until a server has lasted SETTLED_SECONDS: a
port whose server is made to end again and again is not ready.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import grpc

from chassis.accept_modes import Accepting
from chassis.line_limit import LineLimit
from chassis.log_level import LogLevel
from chassis.readiness import PartsFailingError

LOOK_SECONDS = 0.05  # until the end of a server is seen, and between attempts to replace it
SETTLED_SECONDS = 1.0
GRACE_SECONDS = 60.0  # for the calls of a server that has ended

_ENDED = LineLimit("a gRPC server has ended and is replaced", LogLevel.ERROR)


class LastingServer:
    """Accepts calls at one address from start() to stop().

    `new` makes a server; `ended` is called whenever one has ended by itself.
    """

    def __init__(self, new: Callable[[], Accepting], ended: Callable[[], None]) -> None:
        self._new, self._ended = new, ended
        self._accepting = new()
        self._left: dict[grpc.aio.Server, asyncio.Task[None]] = {}
        self._keeping: asyncio.Task[None] | None = None
        self._settled_at = 0.0

    async def start(
        self,
        address: str,
        credentials: Callable[[], grpc.ServerCredentials],
        handlers: Sequence[grpc.GenericRpcHandler],
    ) -> int:
        """The bound port's number; calls are accepted and served by these handlers.

        Each server gets credentials of its own: they cannot be shared. Raises RuntimeError if
        the address cannot be bound.
        """
        number = await _serve(self._accepting.server, address, credentials(), handlers)
        host, _, _ = address.rpartition(":")
        again = partial(self._replace, f"{host}:{number}", credentials, handlers)
        self._keeping = asyncio.create_task(self._keep(again))
        return number

    async def stop(self, grace: float | None) -> None:
        """No call is accepted, and those under way have ended or been cancelled."""
        if self._keeping is not None:
            self._keeping.cancel()
        left = (_end(server, grace) for server in self._left)
        await asyncio.gather(self._accepting.server.stop(grace), *left)

    def back_off(self) -> None:
        """See Accepting."""
        self._accepting.back_off()

    def stop_backing_off(self) -> None:
        """See Accepting."""
        self._accepting.stop_backing_off()

    async def check(self) -> None:
        """Calls are accepted. Raises PartsFailingError if not, or only since a moment ago."""
        if asyncio.get_running_loop().time() < self._settled_at:
            raise PartsFailingError(["its server has ended"])

    async def _keep(self, replace: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled there is a server that accepts calls, or soon will be."""
        while True:
            await _until_ended(self._accepting.server)
            self._settled_at = math.inf
            self._ended()
            _ENDED.say()
            self._leave(self._accepting.server)
            await replace()
            self._settled_at = asyncio.get_running_loop().time() + SETTLED_SECONDS

    def _leave(self, server: grpc.aio.Server) -> None:
        """Its calls have GRACE_SECONDS left."""
        ending = asyncio.create_task(_end(server, GRACE_SECONDS))
        self._left[server] = ending
        ending.add_done_callback(lambda _: self._left.pop(server))

    async def _replace(
        self,
        address: str,
        credentials: Callable[[], grpc.ServerCredentials],
        handlers: Sequence[grpc.GenericRpcHandler],
    ) -> None:
        """A new server accepts calls; the one before may keep the address for a moment."""
        while True:
            self._accepting = self._new()
            with suppress(RuntimeError):
                await _serve(self._accepting.server, address, credentials(), handlers)
                return
            await asyncio.sleep(LOOK_SECONDS)


async def _serve(
    server: grpc.aio.Server,
    address: str,
    credentials: grpc.ServerCredentials,
    handlers: Sequence[grpc.GenericRpcHandler],
) -> int:
    server.add_generic_rpc_handlers(handlers)
    number = server.add_secure_port(address, credentials)
    await server.start()
    return number


async def _until_ended(server: grpc.aio.Server) -> None:
    """Returns once the server does not accept calls any more."""
    with suppress(Exception):  # what has ended it: grpc.aio logs it
        while await server.wait_for_termination(LOOK_SECONDS):
            pass


async def _end(server: grpc.aio.Server, grace: float | None) -> None:
    with suppress(Exception):  # a server that has ended may say why once more
        await server.stop(grace)
