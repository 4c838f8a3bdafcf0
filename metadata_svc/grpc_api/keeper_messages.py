"""Messages of keepers to domain objects, and back."""

from metadata_svc.domain.keeper import AwsAssumeRole, AwsKeeper, Keeper, KeeperDraft
from metadata_svc.grpc_api.messages import draft_fields, resource_fields
from protos.splitkeep.metadata.v1 import keepers_pb2


def keeper_to_proto(keeper: Keeper) -> keepers_pb2.Keeper:
    """The keeper as callers see it: all of it."""
    return keepers_pb2.Keeper(
        **resource_fields(keeper),
        active=keeper.active,
        aws=_aws_to_proto(keeper.aws),
    )


def keeper_draft_from_proto(draft: keepers_pb2.KeeperDraft) -> KeeperDraft:
    """Field by field; nothing is checked."""
    return KeeperDraft(
        **draft_fields(draft),
        aws=_aws_from_proto(draft.aws) if draft.HasField("aws") else None,
        providers=tuple(draft.providers),
    )


def _aws_to_proto(aws: AwsKeeper) -> keepers_pb2.AwsKeeper:
    role = aws.assume_role
    return keepers_pb2.AwsKeeper(
        region=aws.region,
        assume_role=None
        if role is None
        else keepers_pb2.AwsAssumeRole(
            assume_role_arn=role.assume_role_arn, external_id=role.external_id
        ),
    )


def _aws_from_proto(aws: keepers_pb2.AwsKeeper) -> AwsKeeper:
    role = aws.assume_role
    return AwsKeeper(
        region=aws.region,
        assume_role=AwsAssumeRole(
            assume_role_arn=role.assume_role_arn, external_id=role.external_id
        )
        if aws.HasField("assume_role")
        else None,
    )
