"""The decrypt client for code without an event loop.

    from splitkeep.blocking_client import BlockingDecryptClient

    with BlockingDecryptClient("vault:9402", ca=Path("ca.pem"), token_file=Path("t")) as client:
        secret = client.read("db-password", namespace="default")

It may be used from several threads; the calls run on one event loop in a thread of its own.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar

from splitkeep.client import DEADLINE_SECONDS, DecryptClient, Outcome, Secret
from splitkeep.client_tokens import TokenSource

T = TypeVar("T")


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
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="decrypt", daemon=True)
        self._thread.start()

        async def connect() -> DecryptClient:
            # On the loop's thread: a channel belongs to the loop that it is made on.
            return DecryptClient.connect(
                target, ca=ca, token=token, token_file=token_file, server_name=server_name
            )

        try:
            self._client = self._await(connect())
        except BaseException:
            self._end_loop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """The channel is closed and the thread has ended."""
        if not self._loop.is_closed():
            self._await(self._client.close())
            self._end_loop()

    def decrypt(
        self,
        names: Sequence[str],
        *,
        namespace: str,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> dict[str, Outcome]:
        """See DecryptClient.decrypt."""
        return self._await(
            self._client.decrypt(names, namespace=namespace, deadline_seconds=deadline_seconds)
        )

    def read(
        self, name: str, *, namespace: str, deadline_seconds: float = DEADLINE_SECONDS
    ) -> Secret:
        """See DecryptClient.read."""
        return self._await(
            self._client.read(name, namespace=namespace, deadline_seconds=deadline_seconds)
        )

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
