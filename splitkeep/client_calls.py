"""The decrypt client's calls to the vault, on gRPC's own threads.

A call belongs to no event loop: it may be awaited on any loop, in any thread. Channels of
grpc.aio belong to one loop, and asyncio logs BlockingIOErrors where several loops use them
(https://github.com/grpc/grpc/issues/25364).

gRPC does not survive a fork of a process that has used it: a call in the child would not end.
Here it raises ForkedError at once. With GRPC_ENABLE_FORK_SUPPORT=1 in the environment when gRPC
is imported it does survive, and the child opens a channel of its own.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import grpc

from chassis.errors import DeadlineExceededError
from chassis.grpc_client import call_metadata, channel_options, known_error
from chassis.sensitive import Sensitive
from protos.splitkeep.vault.v1 import decrypter_pb2 as pb
from protos.splitkeep.vault.v1 import decrypter_pb2_grpc as rpc

# Up to here every answer fits into gRPC's default limit of 4 MiB for one message.
NAMES_PER_MESSAGE = 100
GRACE_SECONDS = 1.0  # after the deadline, for gRPC to say that it has passed

_SURVIVES_FORKS = os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "").lower() in {"1", "true", "yes"}
_users: set[int] = set()  # the ids of this process and its ancestors that have used gRPC here
_inherited: list[object] = []  # channels of an ancestor, kept: to end one here would not end
_kept: list[grpc.Channel] = []  # see _keep_grpc


class ClientClosedError(RuntimeError):
    """The client has been closed."""

    def __init__(self) -> None:
        super().__init__("the decrypt client is closed")


class ForkedError(RuntimeError):
    """gRPC cannot be used in this process: its parent had used it before the fork."""

    def __init__(self) -> None:
        super().__init__(
            "the decrypt client was used before this process was forked, which gRPC does not "
            "survive: use it only in the children (with gunicorn, after post_fork), start them "
            "by spawn, or set GRPC_ENABLE_FORK_SUPPORT=1 before Python starts"
        )


class VaultCalls:
    """Asks one vault. The first call of a process opens the channel."""

    def __init__(
        self, target: str, *, ca: Path, server_name: str | None, proxy: str | None
    ) -> None:
        """Raises OSError if the file `ca` cannot be read."""
        self._target, self._ca = target, ca.read_bytes()
        self._options = channel_options(server_name=server_name, proxy=proxy)
        self._channel = _Channel()
        self._closed = False

    async def results(
        self,
        names: Sequence[str],
        *,
        namespace: str,
        token: Sensitive[str],
        seconds: float,
        waits: bool = False,
    ) -> list[pb.DecryptResult]:
        """The vault's results, in its order.

        A call that `waits` stays under way until there is a connection or the time is up.
        gRPC makes connections while a call is under way: an attempt that no call waits for
        makes no progress and fails after a second, however often calls fail meanwhile.
        Raises the KnownError that the vault's status tells of, ClientClosedError, ForkedError.
        """
        if seconds <= 0:
            raise DeadlineExceededError
        try:
            async with asyncio.timeout(seconds + GRACE_SECONDS):
                sent = {
                    "timeout": seconds,
                    "metadata": call_metadata(token),
                    "wait_for_ready": waits,
                }
                return await self._results(names, namespace, sent)
        except TimeoutError:
            raise DeadlineExceededError from None
        except grpc.RpcError as error:
            self.check_open()
            raise known_error(error) from None  # type: ignore[arg-type]  # it is a grpc.Call too
        except ValueError:  # gRPC's, if the channel has just been closed
            self.check_open()
            raise

    async def _results(
        self, names: Sequence[str], namespace: str, sent: Mapping[str, Any]
    ) -> list[pb.DecryptResult]:
        stub = rpc.DecrypterStub(self._open_channel())
        if len(names) <= NAMES_PER_MESSAGE:
            request = pb.DecryptSecureValuesRequest(namespace=namespace, names=names)
            method: Any = stub.DecryptSecureValues
            call = method.future(request, **sent)
            await _until_ended(call, call.add_done_callback)
            return list(call.result().results)
        wish = pb.StreamSecureValuesRequest(namespace=namespace, names=names)
        stream: Any = stub.StreamSecureValues(wish, **sent)
        parts = _Parts(stream)
        await _until_ended(stream, parts.read)
        return [result for part in parts.all() for result in part.results]

    def check_open(self) -> None:
        """Raises ClientClosedError."""
        if self._closed:
            raise ClientClosedError

    def close(self) -> None:
        """Calls under way and later ones raise ClientClosedError. May be repeated."""
        self._closed = True
        self._channel.close()

    def _open_channel(self) -> grpc.Channel:
        self.check_open()
        process = os.getpid()
        if not _SURVIVES_FORKS and _users - {process}:
            raise ForkedError
        if self._channel.process != process:
            _inherited.append(self._channel)
            self._channel = _Channel()
        _users.add(process)
        return self._channel.opened(self._target, self._ca, self._options)


class _Channel:
    """A channel that is opened when it is first wanted, for the process that made it."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._lock = Lock()
        self._channel: grpc.Channel | None = None

    def opened(self, target: str, ca: bytes, options: Any) -> grpc.Channel:
        """The channel, opened by the first who wants it."""
        with self._lock:
            if self._channel is None:
                credentials = grpc.ssl_channel_credentials(ca)
                _keep_grpc(target, credentials)
                self._channel = grpc.secure_channel(target, credentials, options)
            return self._channel

    def close(self) -> None:
        """The channel is closed, unless it is another process's."""
        if self._channel is not None and self.process == os.getpid():
            self._channel.close()


def _keep_grpc(target: str, credentials: grpc.ChannelCredentials) -> None:
    """Keeps gRPC from shutting down before the process ends.

    gRPC shuts down in a thread of its own once the last channel is closed. A process that is
    forked meanwhile waits at its exit for that thread, which it does not have. A channel
    without a call opens no connection.
    """
    if not _kept:
        _kept.append(grpc.secure_channel(target, credentials))


class _Parts:
    """The answers of a stream, which gRPC gives to a thread that waits for them."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._parts: list[pb.StreamSecureValuesResponse] = []
        self._error: grpc.RpcError | None = None

    def read(self, then: Callable[[object], None]) -> None:
        """They are being read; `then` is called once there are no more."""
        Thread(target=self._read, args=(then,), daemon=True, name="splitkeep-answers").start()

    def _read(self, then: Callable[[object], None]) -> None:
        try:
            self._parts.extend(self._call)
        except grpc.RpcError as error:
            self._error = error
        then(self._call)

    def all(self) -> list[pb.StreamSecureValuesResponse]:
        """Every answer. Raises grpc.RpcError if the stream was cut short."""
        if self._error is not None:
            raise self._error
        return self._parts


async def _until_ended(
    call: Any, when_ended: Callable[[Callable[[object], None]], object]
) -> None:
    """The call has ended. It is cancelled if the wait is."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_call: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    try:
        when_ended(tell)
        await ended.wait()
    finally:
        call.cancel()
