"""Secure values: the services' messages to and from the JSON of `secret.grafana.app`."""

from collections.abc import Mapping
from dataclasses import dataclass

from chassis.sensitive import Sensitive
from gateway.bodies.fields import Fields
from gateway.bodies.request_json import JsonObject
from gateway.kinds import SECURE_VALUE, Target
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
from protos.splitkeep.metadata.v1.secure_value_pb2 import (
    Preconditions,
    SecureValue,
    SecureValueDraft,
)


@dataclass(frozen=True, slots=True)
class SecureValueWrite:
    """What a POST, PUT or PATCH asks for. `value` is None when it leaves the value out."""

    draft: SecureValueDraft
    value: Sensitive[bytes] | None
    preconditions: Preconditions


class SecureValueRepresentation:
    """Representation of secure values."""

    kind = SECURE_VALUE
    spec_fields = ("description", "value", "ref", "decrypters")
    write_only = (("spec", "value"),)
    schema = kinds.SECURE_VALUE

    def to_json(self, item: SecureValue, target: Target) -> JsonObject:
        """The object as clients read it; empty collections are left out."""
        return {
            "kind": target.kind.name,
            "apiVersion": target.api_version,
            "metadata": metadata_to_json(item),
            "spec": without_empty(
                {"description": item.description, "decrypters": list(item.decrypters)}
            ),
            "status": {"version": item.version, "keeper": item.keeper},
        }

    def write_from(
        self, tree: Mapping[str, object], target: Target, manager: FieldManager
    ) -> SecureValueWrite:
        """What the body asks for. Raises BadRequestError, InvalidArgumentError."""
        body = Fields(tree)
        metadata, spec = body.child("metadata"), body.child("spec")
        check_type(body, kind=target.kind.name, api_versions=(target.api_version,))
        check_place(metadata, target)
        refuse_finalizers(metadata)
        value = spec.text_if_present("value")
        return SecureValueWrite(
            draft=_draft(metadata, spec, target, manager),
            value=None if value is None else Sensitive(value.encode()),
            preconditions=preconditions_from_json(metadata),
        )


def _draft(
    metadata: Fields, spec: Fields, target: Target, manager: FieldManager
) -> SecureValueDraft:
    return SecureValueDraft(
        namespace=target.namespace,
        name=target.name or metadata.text("name"),
        generate_name="" if target.name else metadata.text("generateName"),
        description=spec.text("description"),
        decrypters=spec.texts("decrypters"),
        labels=metadata.text_map("labels"),
        annotations=annotations_from_json(metadata),
        ref=spec.text("ref"),
        owner_references=owner_references_from_json(metadata),
        manager=manager,
    )
