"""gRPC's health protocol, told and asked: it says the same as /readyz.

- A service that is not ready names what fails in the trailing metadata of its answer, which a
  peer of this code reads and any other client ignores.
- Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.errors import NotFoundError
from chassis.grpc_client import call_timeout, known_error
from chassis.readiness import PartsFailingError, Readiness

FAILING_KEY = "x-failing"
REFRESH_SECONDS = 5.0  # for those who watch; a Check is answered as of now
MAX_PARTS = 16
MAX_PART_CHARACTERS = 128

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class ReadinessHealth(health_pb2_grpc.HealthServicer):
    """All services of a port are as ready as the process is."""

    def __init__(self, readiness: Readiness, services: Iterable[str]) -> None:
        self._readiness, self._services = readiness, frozenset({"", *services})
        self._serving = True
        self._draining = False
        self._changed = asyncio.Condition()

    async def follow(self) -> None:
        """Sends every change of readiness to the watchers, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._refresh()

    async def drain(self) -> None:
        """Every service is NOT_SERVING from now on, and the watchers are notified."""
        self._draining = True
        await self._set(serving=False)

    async def Check(  # noqa: N802  # the protocol's name
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        """See the protocol."""
        failing = await self._refresh()
        if request.service not in self._services:
            raise NotFoundError("this service is not served here")
        if failing:
            context.set_trailing_metadata([(FAILING_KEY, part) for part in failing])
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    async def Watch(  # noqa: N802  # the protocol's name
        self, request: health_pb2.HealthCheckRequest, _context: object
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """See the protocol: the present status, and every other one as it comes."""
        while True:
            told = self._status(request.service)
            yield health_pb2.HealthCheckResponse(status=told)
            async with self._changed:
                await self._changed.wait_for(lambda: self._status(request.service) != told)  # noqa: B023  # waited for here

    def _status(self, service: str) -> Any:
        if service not in self._services:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        return _SERVING if self._serving else _NOT_SERVING

    async def _refresh(self) -> Sequence[str]:
        failing = await self._readiness.failing()
        await self._set(serving=not failing)
        return failing

    async def _set(self, *, serving: bool) -> None:
        async with self._changed:
            if (serving and not self._draining) != self._serving:
                self._serving = serving and not self._draining
                self._changed.notify_all()


class PeerHealth:
    """Whether one service of a peer can do its work."""

    def __init__(
        self, channel: grpc.aio.Channel, *, service: str, deadline_seconds: float
    ) -> None:
        self._service, self._deadline_seconds = service, deadline_seconds
        self._check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )

    async def check(self) -> None:
        """Returns if the peer says SERVING in time.

        Raises PartsFailingError with what the peer names if it says anything else; another
        KnownError if it cannot be asked.
        """
        request = health_pb2.HealthCheckRequest(service=self._service)
        asked = self._check(request, timeout=call_timeout(self._deadline_seconds))
        try:
            answer = await asked
            if answer.status == _SERVING:
                return
            trailing = await asked.trailing_metadata()
        except grpc.aio.AioRpcError as error:
            raise known_error(error) from None
        parts = [value for key, value in trailing or () if key == FAILING_KEY]
        raise PartsFailingError([_plain(part) for part in parts[:MAX_PARTS]])


def _plain(part: str | bytes) -> str:
    text = part if isinstance(part, str) else "?"
    return text[:MAX_PART_CHARACTERS] if text.isprintable() else "?"
