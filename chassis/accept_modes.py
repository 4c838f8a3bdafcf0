"""How a port accepts calls from gRPC's core: one small interface, two modes.

- `standard` is grpc.aio by its public API alone, and works with any version of it. It accepts
  one call in each turn of the event loop.
- `fast` accepts as many as have come (chassis/fast_accept.py). It depends on two private names
  of grpcio, so it is chosen only for the versions that it was tested with.

Measured in docs/adr/0033-two-accept-modes.md.
"""

from collections.abc import Sequence
from typing import Protocol

import grpc
import structlog

from chassis import fast_accept
from chassis.accept_mode import AcceptMode
from chassis.config import StartRefusedError

Options = Sequence[tuple[str, int]]

_log = structlog.get_logger(__name__)


class CallServer(Protocol):
    """What a port needs of a gRPC server; see grpc.aio.Server for the methods named alike."""

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """These handlers serve the calls."""
        ...

    def add_secure_port(self, address: str, credentials: grpc.ServerCredentials) -> int:
        """The bound port's number. Raises RuntimeError."""
        ...

    async def start(self) -> None:
        """Calls are accepted."""
        ...

    async def stop(self, grace: float | None) -> None:
        """No call is accepted, and those under way have ended or been cancelled."""
        ...

    def back_off(self) -> None:
        """A call was refused: a busy server accepts the next ones later, if it can."""
        ...

    def stop_backing_off(self) -> None:
        """From now on calls are accepted as they come."""
        ...


def new_server(mode: AcceptMode, options: Options) -> CallServer:
    """A server that accepts in this mode.

    Raises StartRefusedError if `fast` is demanded of a grpcio that it was not tested with.
    """
    problem = fast_accept.problem()
    if mode is AcceptMode.FAST and problem:
        raise StartRefusedError((f"the accept mode fast cannot be used: {problem}",))
    if mode is AcceptMode.STANDARD or problem:
        if problem and mode is AcceptMode.AUTO:
            _log.warning(
                "calls are accepted one in each turn of the event loop: a busy port answers "
                "about a third fewer calls",
                reason=problem,
            )
        return StandardServer(options)
    return fast_accept.FastServer(options)


class StandardServer:
    """See CallServer; grpc.aio's own."""

    def __init__(self, options: Options) -> None:
        self._server = grpc.aio.server(options=options)

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """See CallServer."""
        self._server.add_generic_rpc_handlers(tuple(handlers))

    def add_secure_port(self, address: str, credentials: grpc.ServerCredentials) -> int:
        """See CallServer."""
        return self._server.add_secure_port(address, credentials)

    async def start(self) -> None:
        """See CallServer."""
        await self._server.start()

    async def stop(self, grace: float | None) -> None:
        """See CallServer."""
        await self._server.stop(grace)

    def back_off(self) -> None:
        """Nothing: one call in a turn of the loop is slow enough."""

    def stop_backing_off(self) -> None:
        """See CallServer."""
