"""The status with which a peer ended a stream.

A write to a stream that its peer has ended fails. grpc.aio then sets the call's status to
INTERNAL, over the status that the peer sent (https://github.com/grpc/grpc/issues/36066): a
refusal is lost if it arrives while the request is being written. So the status is kept from the
moment at which it arrives.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc

T = TypeVar("T")


class WritableStream:
    """Writes to one stream; a write that fails raises the peer's own status."""

    __slots__ = ("_call", "_end")

    def __init__(self, call: Any) -> None:
        self._call = call  # a grpc.aio.StreamStreamCall
        self._end = _End()
        call.add_done_callback(self._end.note)

    async def write(self, request: Any) -> None:
        """The request is on its way. Raises AioRpcError with the status that ended the call.

        That status may be OK. It is on its way when a write fails, and waited for without a
        bound of this function's own.
        """
        self._end.writer = asyncio.current_task()
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise await self._end.status from None
        finally:
            self._end.writer = None


class _End:
    """Takes the status of a call when it is set. The call keeps this, so this keeps no call."""

    __slots__ = ("status", "writer")

    def __init__(self) -> None:
        self.writer: asyncio.Task[Any] | None = None
        self.status: asyncio.Future[grpc.aio.AioRpcError]
        self.status = asyncio.get_running_loop().create_future()

    def note(self, call: Any) -> None:
        """The first status of the peer's is kept.

        grpc.aio receives it in a task of its own. A status that is set in the task that writes
        is the one that a failed write makes.
        """
        if not self.status.done() and asyncio.current_task() is not self.writer:
            self.status.set_result(_status(call))


def _status(call: Any) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        _at_once(call.code()),
        _at_once(call.initial_metadata()),
        _at_once(call.trailing_metadata()),
        details=_at_once(call.details()),
    )


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine of a call that is done, which has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("a call that is done has waited for its status")
