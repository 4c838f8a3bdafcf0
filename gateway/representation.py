"""Secure values: the services' messages to and from the JSON of `secret.grafana.app`.

- What is written never carries a value; what is read yields it as `Sensitive` and nowhere else.
- What the server sets (`status`, uid and times of creation) is ignored when a client sends it;
  unknown fields and the annotations of DROPPED_ANNOTATIONS go no further.
- apiVersion, kind, namespace and name may be left out; when sent, they agree with the path.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.sensitive import Sensitive
from gateway.errors import BadRequestError
from gateway.fields import Fields
from gateway.kinds import Target
from gateway.request_json import JsonObject
from protos.splitkeep.metadata.v1.secure_value_pb2 import (
    OwnerReference,
    Preconditions,
    SecureValue,
    SecureValueDraft,
)

CREATED_BY = "grafana.app/createdBy"
UPDATED_BY = "grafana.app/updatedBy"
UPDATED_TIMESTAMP = "grafana.app/updatedTimestamp"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Where `kubectl apply` repeats the whole object, `spec.value` in clear text included."""

DROPPED_ANNOTATIONS = frozenset({CREATED_BY, UPDATED_BY, UPDATED_TIMESTAMP, LAST_APPLIED})


@dataclass(frozen=True, slots=True)
class SecureValueWrite:
    """What a POST or PUT asks for. `value` is None when the body leaves it out."""

    draft: SecureValueDraft
    value: Sensitive[bytes] | None
    preconditions: Preconditions


def secure_value_to_json(message: SecureValue, target: Target) -> JsonObject:
    """The object as clients read it; empty collections are left out."""
    return {
        "kind": target.kind.name,
        "apiVersion": target.api_version,
        "metadata": _metadata_to_json(message),
        "spec": _without_empty(
            {"description": message.description, "decrypters": list(message.decrypters)}
        ),
        "status": {"version": message.version, "keeper": message.keeper},
    }


def _metadata_to_json(message: SecureValue) -> JsonObject:
    return _without_empty(
        {
            "name": message.name,
            "namespace": message.namespace,
            "uid": message.uid,
            "resourceVersion": str(message.resource_version),
            "generation": message.generation,
            "creationTimestamp": _timestamp_to_json(message.created_at),
            "labels": dict(message.labels),
            "annotations": _annotations_to_json(message),
        }
    )


def _annotations_to_json(message: SecureValue) -> JsonObject:
    return dict(message.annotations) | _without_empty(
        {
            CREATED_BY: message.created_by,
            UPDATED_BY: message.updated_by,
            UPDATED_TIMESTAMP: _timestamp_to_json(message.updated_at),
        }
    )


def _without_empty(members: Mapping[str, object]) -> JsonObject:
    return {key: value for key, value in members.items() if value}


def _timestamp_to_json(moment: Timestamp) -> str:
    """RFC 3339 in whole seconds, as Kubernetes writes times; empty when unset."""
    if not moment.seconds:
        return ""
    return datetime.fromtimestamp(moment.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def secure_value_from_json(tree: Mapping[str, object], target: Target) -> SecureValueWrite:
    """What the body asks for. Raises BadRequestError: a type or identity that does not fit."""
    body = Fields(tree)
    metadata, spec = body.child("metadata"), body.child("spec")
    check_type(body, kind=target.kind.name, api_versions=(target.api_version,))
    _check_place(metadata, target)
    value = spec.text_if_present("value")
    return SecureValueWrite(
        draft=_draft(metadata, spec, target),
        value=None if value is None else Sensitive(value.encode()),
        preconditions=preconditions_from_json(metadata),
    )


def _draft(metadata: Fields, spec: Fields, target: Target) -> SecureValueDraft:
    annotations = metadata.text_map("annotations")
    return SecureValueDraft(
        namespace=target.namespace,
        name=target.name or metadata.text("name"),
        generate_name="" if target.name else metadata.text("generateName"),
        description=spec.text("description"),
        decrypters=spec.texts("decrypters"),
        labels=metadata.text_map("labels"),
        annotations={k: v for k, v in annotations.items() if k not in DROPPED_ANNOTATIONS},
        ref=spec.text("ref"),
        owner_references=[
            OwnerReference(
                api_version=owner.text("apiVersion"),
                kind=owner.text("kind"),
                name=owner.text("name"),
            )
            for owner in metadata.children("ownerReferences")
        ],
    )


def check_type(body: Fields, *, kind: str, api_versions: tuple[str, ...]) -> None:
    """Raises BadRequestError unless kind and apiVersion are left out or the expected ones."""
    if body.text("kind") not in {"", kind}:
        raise BadRequestError(f"kind: must be {kind}")
    if body.text("apiVersion") not in {"", *api_versions}:
        raise BadRequestError(f"apiVersion: must be {' or '.join(api_versions)}")


def _check_place(metadata: Fields, target: Target) -> None:
    if metadata.text("namespace") not in {"", target.namespace}:
        raise BadRequestError("metadata.namespace: must be the namespace of the request's path")
    if target.name and metadata.text("name") not in {"", target.name}:
        raise BadRequestError("metadata.name: must be the name of the request's path")
    if not target.name and metadata.text("resourceVersion"):
        raise BadRequestError(
            "metadata.resourceVersion: must not be set on an object to be created"
        )


def preconditions_from_json(fields: Fields) -> Preconditions:
    """The `uid` and `resourceVersion` that the client last saw; an empty one is not checked."""
    return Preconditions(
        uid=fields.text("uid") or None, resource_version=fields.text("resourceVersion") or None
    )
