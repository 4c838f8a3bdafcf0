"""Vault and metadata joined without a socket: both ends' own translations, no TCP between.

- What the vault's client sends reaches metadata's servicer as a message; errors travel as
  statuses, as they do on the wire.
- A script decides what becomes of each call: it may hold it up, lose its answer, lose the call
  itself or let something else happen first.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from grpc.aio import AioRpcError, Metadata

from chassis.caller import Caller
from chassis.errors import KnownError, UnavailableError
from chassis.grpc_status import DETAILS_KEY, status_code, to_status
from metadata_svc.grpc_api.vault_peer import VaultPeerServicer
from tests.contracts.metadata_svc.application import Application
from tests.fakes.metadata_svc.builders import a_caller
from tests.fakes.vault_svc.fuse import DiedError
from vault_svc.metadata_client import GrpcMetadataClient

Deliver = Callable[[], Awaitable[Any]]
Script = Callable[[str, Deliver], Awaitable[Any]]


class LostError(Exception):
    """The connection broke: whoever waits for an answer gets none."""


async def undisturbed(_method: str, deliver: Deliver) -> Any:
    return await deliver()


def metadata_client(application: Application, script: Script = undisturbed) -> Any:
    """The vault's client of this metadata."""
    servicer = VaultPeerServicer(
        prepare=application.preparing,
        claim=application.claiming,
        names=application.names,
        values=application.values,
    )
    channel: Any = _Channel(servicer, script)
    return GrpcMetadataClient(channel)


@dataclass(frozen=True)
class _Context:
    metadata: tuple[tuple[str, str], ...]

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self.metadata

    @property
    def caller(self) -> Caller:
        """Whoever calls may do everything: rights are not what these tests are about."""
        return a_caller()


@dataclass(frozen=True)
class _Channel:
    servicer: VaultPeerServicer
    script: Script

    def unary_unary(self, path: str, **_serialisers: Any) -> Any:
        name = path.rpartition("/")[2]
        unary = getattr(self.servicer, name)

        async def ask(
            request: Any, *, timeout: float, metadata: Any, method: Any = unary
        ) -> Any:
            try:
                return await self.script(name, lambda: method(request, _Context(metadata)))
            except KnownError as error:
                raise _as_rpc_error(error) from None
            except (LostError, DiedError):
                raise _as_rpc_error(UnavailableError()) from None

        return ask

    def stream_stream(self, path: str, **_serialisers: Any) -> Any:
        name = path.rpartition("/")[2]
        ask = self.unary_unary(path)

        async def once(request: Any, context: _Context) -> Any:
            answers = getattr(self.servicer, name)(_only(request), context)
            return await anext(answers)

        return lambda: _Stream(partial(ask, timeout=0, metadata=(), method=once))


async def _only(request: Any) -> AsyncIterator[Any]:
    yield request


@dataclass
class _Stream:
    """A stream whose requests are calls, each scripted by itself."""

    ask: Callable[[Any], Awaitable[Any]]
    request: Any = None

    async def write(self, request: Any) -> None:
        self.request = request

    async def read(self) -> Any:
        return await self.ask(self.request)

    def add_done_callback(self, _callback: Callable[[Any], None]) -> None:
        """It does not end before whoever holds it is done with it."""

    def cancel(self) -> None:
        """Nothing is left of a call that has ended."""


def _as_rpc_error(error: KnownError) -> AioRpcError:
    details = Metadata((DETAILS_KEY, to_status(error).SerializeToString()))
    return AioRpcError(status_code(error), Metadata(), details, error.message)
