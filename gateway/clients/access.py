"""What the caller may do, as metadata decides it."""

import grpc

from chassis.grpc_client import call
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import access_pb2
from protos.splitkeep.metadata.v1.access_pb2_grpc import AccessStub

ACCESS_SERVICE = "splitkeep.metadata.v1.Access"


class AccessClient:
    """Asks the one decision that every other call goes by. Methods raise KnownErrors."""

    def __init__(self, *, metadata: grpc.aio.Channel, call_seconds: float) -> None:
        self._access = AccessStub(metadata)
        self._seconds = call_seconds

    async def review(
        self, request: access_pb2.ReviewAccessRequest, *, token: Sensitive[str]
    ) -> access_pb2.ReviewAccessResponse:
        """Whether the caller may do this one thing."""
        method = self._access.ReviewAccess
        return await call(method, request, deadline_seconds=self._seconds, token=token)

    async def rules(
        self, *, namespace: str, token: Sensitive[str]
    ) -> tuple[access_pb2.AccessRule, ...]:
        """Everything the caller may do in the namespace."""
        request = access_pb2.ListRulesRequest(namespace=namespace)
        method = self._access.ListRules
        answer = await call(method, request, deadline_seconds=self._seconds, token=token)
        return tuple(answer.rules)

    async def caller(self, *, token: Sensitive[str]) -> access_pb2.DescribeCallerResponse:
        """Who the caller is."""
        request = access_pb2.DescribeCallerRequest()
        method = self._access.DescribeCaller
        return await call(method, request, deadline_seconds=self._seconds, token=token)
