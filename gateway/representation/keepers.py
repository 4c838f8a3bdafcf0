"""Keepers: the services' messages to and from the JSON of `secret.grafana.app`."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.bodies.fields import Fields
from gateway.bodies.request_json import JsonObject
from gateway.kinds import KEEPER, Target
from gateway.representation.object_meta import (
    annotations_from_json,
    check_place,
    check_type,
    metadata_to_json,
    owner_references_from_json,
    preconditions_from_json,
    refuse_finalizers,
    without_empty,
)
from gateway.schema import kinds
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager
from protos.splitkeep.metadata.v1.keepers_pb2 import (
    AwsAssumeRole,
    AwsKeeper,
    Keeper,
    KeeperDraft,
)
from protos.splitkeep.metadata.v1.secure_value_pb2 import Preconditions

PROVIDERS = ("aws", *sorted(kinds.KEEPER_SPEC.refused))
"""Every provider that any version of the API has had; which may be used, metadata decides."""


@dataclass(frozen=True, slots=True)
class KeeperWrite:
    """What a POST, PUT or PATCH asks for."""

    draft: KeeperDraft
    preconditions: Preconditions


class KeeperRepresentation:
    """Representation of keepers."""

    kind = KEEPER
    spec_fields = ("description", "aws")
    write_only = ()
    schema = kinds.KEEPER

    def to_json(self, item: Keeper, target: Target) -> JsonObject:
        """The object as clients read it; empty collections are left out."""
        return {
            "kind": target.kind.name,
            "apiVersion": target.api_version,
            "metadata": metadata_to_json(item),
            "spec": without_empty({"description": item.description, "aws": _aws_to_json(item)}),
            "status": {"active": item.active},
        }

    def write_from(
        self, tree: Mapping[str, object], target: Target, manager: FieldManager
    ) -> KeeperWrite:
        """What the body asks for. Raises BadRequestError, InvalidArgumentError."""
        body = Fields(tree)
        metadata, spec = body.child("metadata"), body.child("spec")
        check_type(body, kind=target.kind.name, api_versions=(target.api_version,))
        check_place(metadata, target)
        refuse_finalizers(metadata)
        return KeeperWrite(
            draft=_draft(metadata, spec, target, manager),
            preconditions=preconditions_from_json(metadata),
        )


def _aws_to_json(item: Keeper) -> JsonObject:
    if not item.HasField("aws"):
        return {}
    role = item.aws.assume_role
    members: JsonObject = {"region": item.aws.region}
    if item.aws.HasField("assume_role"):
        members["assumeRole"] = {
            "assumeRoleArn": role.assume_role_arn,
            "externalID": role.external_id,
        }
    return members


def _draft(
    metadata: Fields, spec: Fields, target: Target, manager: FieldManager
) -> KeeperDraft:
    return KeeperDraft(
        namespace=target.namespace,
        name=target.name or metadata.text("name"),
        generate_name="" if target.name else metadata.text("generateName"),
        description=spec.text("description"),
        labels=metadata.text_map("labels"),
        annotations=annotations_from_json(metadata),
        aws=_aws_from_json(spec),
        providers=[name for name in PROVIDERS if spec.members.get(name) is not None],
        owner_references=owner_references_from_json(metadata),
        manager=manager,
    )


def _aws_from_json(spec: Fields) -> AwsKeeper | None:
    """Blocks that are not there stay apart from blocks with nothing in them."""
    if spec.members.get("aws") is None:
        return None
    aws = spec.child("aws")
    return AwsKeeper(region=aws.text("region"), assume_role=_role_from_json(aws))


def _role_from_json(aws: Fields) -> AwsAssumeRole | None:
    if aws.members.get("assumeRole") is None:
        return None
    role = aws.child("assumeRole")
    return AwsAssumeRole(
        assume_role_arn=role.text("assumeRoleArn"), external_id=role.text("externalID")
    )
