"""Messages of keepers to domain objects, and back."""

from metadata_svc.domain.keeper import AwsAssumeRole, AwsKeeper, Keeper, KeeperDraft
from metadata_svc.grpc_api.messages import (
    manager_from_proto,
    owner_reference_from_proto,
    owner_to_proto,
    timestamp,
)
from protos.splitkeep.metadata.v1 import keepers_pb2


def keeper_to_proto(keeper: Keeper) -> keepers_pb2.Keeper:
    """The keeper as callers see it: all of it."""
    return keepers_pb2.Keeper(
        namespace=keeper.namespace,
        name=keeper.name,
        uid=str(keeper.uid),
        resource_version=keeper.resource_version,
        generation=keeper.generation,
        created_at=timestamp(keeper.created_at),
        updated_at=timestamp(keeper.updated_at),
        created_by=keeper.created_by,
        updated_by=keeper.updated_by,
        description=keeper.description,
        labels=keeper.labels,
        annotations=keeper.annotations,
        active=keeper.active,
        aws=_aws_to_proto(keeper.aws),
        field_owners=map(owner_to_proto, keeper.field_owners),
    )


def keeper_draft_from_proto(draft: keepers_pb2.KeeperDraft) -> KeeperDraft:
    """Field by field; nothing is checked."""
    return KeeperDraft(
        namespace=draft.namespace,
        name=draft.name,
        generate_name=draft.generate_name,
        description=draft.description,
        labels=dict(draft.labels),
        annotations=dict(draft.annotations),
        aws=_aws_from_proto(draft.aws) if draft.HasField("aws") else None,
        providers=tuple(draft.providers),
        owner_references=tuple(map(owner_reference_from_proto, draft.owner_references)),
        manager=manager_from_proto(draft.manager),
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
