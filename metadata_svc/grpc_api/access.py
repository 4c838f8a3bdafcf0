"""`splitkeep.metadata.v1.Access`: for any caller, by token, about itself."""

from dataclasses import dataclass
from typing import Any

from metadata_svc.domain.access_review import AccessQuestion, review, rules
from protos.splitkeep.metadata.v1 import access_pb2, access_pb2_grpc

SERVICE = access_pb2.DESCRIPTOR.services_by_name["Access"].full_name


@dataclass(frozen=True, kw_only=True)
class AccessServicer(access_pb2_grpc.AccessServicer):
    """What the caller may do; nothing is looked up."""

    async def ReviewAccess(
        self, request: access_pb2.ReviewAccessRequest, context: Any
    ) -> access_pb2.ReviewAccessResponse:
        caller = context.caller
        question = AccessQuestion(
            namespace=request.namespace,
            resource=request.resource,
            subresource=request.subresource,
            verb=request.verb,
            name=request.name,
        )
        answer = review(caller, question)
        return access_pb2.ReviewAccessResponse(allowed=answer.allowed, reason=answer.reason)

    async def DescribeCaller(
        self, _request: access_pb2.DescribeCallerRequest, context: Any
    ) -> access_pb2.DescribeCallerResponse:
        caller = context.caller
        return access_pb2.DescribeCallerResponse(
            issuer=caller.issuer,
            subject=caller.subject,
            namespace=caller.namespace,
            roles=sorted(caller.roles),
            service_identity="".join(caller.service_identities),
        )

    async def ListRules(
        self, request: access_pb2.ListRulesRequest, context: Any
    ) -> access_pb2.ListRulesResponse:
        caller = context.caller
        return access_pb2.ListRulesResponse(
            rules=(
                access_pb2.AccessRule(
                    verbs=rule.verbs, resources=rule.resources, names=rule.names
                )
                for rule in rules(caller, request.namespace)
            )
        )
