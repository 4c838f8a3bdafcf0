"""The decrypt client for code without an event loop.

    from splitkeep.blocking_client import BlockingDecryptClient

    with BlockingDecryptClient("vault:9402", ca=Path("ca.pem"), token_file=Path("t")) as client:
        secret = client.read("db-password", namespace="default")

It may be used from any thread, from a signal handler, and in a thread whose event loop is
running, which waits meanwhile. The calls run on an event loop in a thread of their own; in a
child process that was forked they get another.
"""

import asyncio
import os
from collections.abc import Coroutine, Iterable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from threading import Thread, current_thread
from types import TracebackType
from typing import Any, Self, TypeVar

from chassis.errors import DeadlineExceededError
from splitkeep.client import (
    DEADLINE_SECONDS,
    DecryptClient,
    Outcome,
    Secret,
    checked_deadline,
)
from splitkeep.client_calls import GRACE_SECONDS, ClientClosedError
from splitkeep.client_tokens import TokenSource

T = TypeVar("T")

ENDING_SECONDS = 5.0


class BlockingDecryptClient:
    """See splitkeep.client.DecryptClient, whose arguments, answers and errors it has."""

    def __init__(
        self,
        target: str,
        *,
        ca: Path,
        token: TokenSource | None = None,
        token_file: Path | None = None,
        server_name: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self._client = DecryptClient.connect(
            target,
            ca=ca,
            token=token,
            token_file=token_file,
            server_name=server_name,
            proxy=proxy,
        )
        self._loop = _LoopThread()
        self._closed = False

    def __enter__(self) -> Self:
        if self._closed:
            raise ClientClosedError
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """The channel is closed and the thread has ended.

        Calls under way and later ones raise ClientClosedError. May be repeated.
        """
        self._closed = True
        self._client.close_now()
        self._loop.end()

    def decrypt(
        self,
        names: Iterable[str],
        *,
        namespace: str,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> dict[str, Outcome]:
        """See DecryptClient.decrypt."""
        seconds = checked_deadline(deadline_seconds)
        work = self._client.decrypt(names, namespace=namespace, deadline_seconds=seconds)
        return self._await(work, seconds)

    def read(
        self, name: str, *, namespace: str, deadline_seconds: float = DEADLINE_SECONDS
    ) -> Secret:
        """See DecryptClient.read."""
        seconds = checked_deadline(deadline_seconds)
        work = self._client.read(name, namespace=namespace, deadline_seconds=seconds)
        return self._await(work, seconds)

    def _await(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        if not self._closed and self._loop.process != os.getpid():
            self._loop = _LoopThread()  # the thread was the parent's
        outcome = self._loop.run(work)
        try:
            return outcome.result(seconds + 2 * GRACE_SECONDS)
        except CancelledError:
            raise ClientClosedError from None
        except TimeoutError:
            if outcome.done():
                raise  # the token source's own
            raise DeadlineExceededError from None
        finally:
            outcome.cancel()


class _LoopThread:
    """An event loop that runs in a thread of its own, which does not keep the process alive."""

    def __init__(self) -> None:
        self.process = os.getpid()
        begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = Thread(
            target=lambda: asyncio.run(self._until_told(begun)), daemon=True, name="splitkeep"
        )
        self._thread.start()
        self._loop, self._told = begun.result()

    def run(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """The outcome of the work, which is cancelled when the thread ends.

        Raises ClientClosedError if it has ended.
        """
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # the loop is closed
            work.close()
            raise ClientClosedError from None

    def end(self) -> None:
        """The thread has ended, or is not this process's."""
        if self.process != os.getpid():
            return
        with suppress(RuntimeError):  # it has ended before
            self._loop.call_soon_threadsafe(self._told.set)
        if self._thread is not current_thread():
            self._thread.join(ENDING_SECONDS)

    @staticmethod
    async def _until_told(
        begun: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]",
    ) -> None:
        told = asyncio.Event()
        begun.set_result((asyncio.get_running_loop(), told))
        await told.wait()
