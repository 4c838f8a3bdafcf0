"""Whether a peer takes calls."""

import grpc
from grpc_health.v1 import health_pb2

from chassis.errors import UnavailableError
from chassis.grpc_client import call

HEALTH_SECONDS = 2.0


class PeerHealth:
    """Whether one service of a peer takes calls, by the standard gRPC health protocol."""

    def __init__(self, channel: grpc.aio.Channel, *, service: str) -> None:
        self._check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        self._service = service

    async def check(self) -> None:
        """Raises a KnownError unless the peer says SERVING in time."""
        request = health_pb2.HealthCheckRequest(service=self._service)
        answer = await call(self._check, request, deadline_seconds=HEALTH_SECONDS)
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise UnavailableError
