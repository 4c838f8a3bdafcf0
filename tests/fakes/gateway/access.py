"""What callers may do, in memory: metadata's servicer."""

from typing import Any

from protos.splitkeep.metadata.v1 import access_pb2, access_pb2_grpc
from tests.fakes.gateway.store import Store

VERBS = {
    "read": ("get", "list", "watch"),
    "create": ("create",),
    "write": ("update", "patch"),
    "delete": ("delete", "deletecollection"),
}


class AccessServicer(access_pb2_grpc.AccessServicer):
    """Tells the rights that the other servicers go by."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ReviewAccess(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.caller("access.Review", request, context)
        verb = "update" if request.subresource == "activate" else request.verb
        verbs = {verb for right in rights for verb in VERBS[right]}
        allowed = verb in verbs or (request.verb == "*" and len(rights) == len(VERBS))
        return access_pb2.ReviewAccessResponse(
            allowed=allowed, reason="" if allowed else "the caller has no such right"
        )

    async def ListRules(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.caller("access.Rules", request, context)
        verbs = [verb for right in sorted(rights) for verb in VERBS[right]]
        rules = [access_pb2.AccessRule(verbs=verbs, resources=["securevalues", "keepers"])]
        if "write" in rights:
            activation = access_pb2.AccessRule(verbs=["create"], resources=["keepers/activate"])
            rules.append(activation)
        return access_pb2.ListRulesResponse(rules=rules)

    async def DescribeCaller(self, request: Any, context: Any) -> Any:  # noqa: N802  # the proto's
        rights = self._store.caller("access.Describe", request, context)
        return access_pb2.DescribeCallerResponse(
            issuer="https://issuer.example",
            subject="user:somebody",
            namespace="default",
            roles=sorted(rights),
        )
