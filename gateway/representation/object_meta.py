"""What both kinds have in common: `metadata`, to and from JSON.

- What the server sets (uid, times and authors of creation) is ignored when a client sends it;
  unknown fields and the annotations of DROPPED_ANNOTATIONS go no further; what kubectl applied
  last goes on without the value.
- apiVersion, kind, namespace and name may be left out; when sent, they agree with the path.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from gateway.bodies.fields import Fields
from gateway.bodies.request_json import JsonObject
from gateway.errors import BadRequestError
from gateway.kinds import Target
from gateway.representation.last_applied import without_value
from gateway.representation.managed_fields import managed_fields_to_json
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldOwner
from protos.splitkeep.metadata.v1.secure_value_pb2 import OwnerReference, Preconditions

CREATED_BY = "grafana.app/createdBy"
UPDATED_BY = "grafana.app/updatedBy"
UPDATED_TIMESTAMP = "grafana.app/updatedTimestamp"

NO_VERSION = "0"

DROPPED_ANNOTATIONS = frozenset({CREATED_BY, UPDATED_BY, UPDATED_TIMESTAMP})


class StoredObject(Protocol):
    """What the messages of both kinds have."""

    @property
    def namespace(self) -> str: ...  # noqa: D102  # protos/…/secure_value.proto says it
    @property
    def name(self) -> str: ...  # noqa: D102  # as above
    @property
    def uid(self) -> str: ...  # noqa: D102  # as above
    @property
    def resource_version(self) -> int: ...  # noqa: D102  # as above
    @property
    def generation(self) -> int: ...  # noqa: D102  # as above
    @property
    def created_at(self) -> Timestamp: ...  # noqa: D102  # as above
    @property
    def updated_at(self) -> Timestamp: ...  # noqa: D102  # as above
    @property
    def created_by(self) -> str: ...  # noqa: D102  # as above
    @property
    def updated_by(self) -> str: ...  # noqa: D102  # as above
    @property
    def labels(self) -> Mapping[str, str]: ...  # noqa: D102  # as above
    @property
    def annotations(self) -> Mapping[str, str]: ...  # noqa: D102  # as above
    @property
    def field_owners(self) -> Sequence[FieldOwner]: ...  # noqa: D102  # as above


def metadata_to_json(item: StoredObject) -> JsonObject:
    """The object's `metadata`; empty collections are left out.

    So is the resourceVersion of what was created for trial: there is no such state.
    """
    return without_empty(
        {
            "name": item.name,
            "namespace": item.namespace,
            "uid": item.uid,
            "resourceVersion": str(item.resource_version or ""),
            "generation": item.generation,
            "creationTimestamp": timestamp_to_json(item.created_at),
            "labels": dict(item.labels),
            "annotations": _annotations_to_json(item),
            "managedFields": managed_fields_to_json(item.field_owners),
        }
    )


def is_told_whole(item: StoredObject) -> bool:
    """Whether the services told more than which object it is: every object has a generation."""
    return item.generation > 0


def identity_to_json(item: StoredObject, target: Target) -> JsonObject:
    """All that a caller is told who may write the object and not read it."""
    return {
        "kind": target.kind.name,
        "apiVersion": target.api_version,
        "metadata": {
            "name": item.name,
            "namespace": item.namespace,
            "uid": item.uid,
            "resourceVersion": str(item.resource_version),
        },
    }


def _annotations_to_json(item: StoredObject) -> JsonObject:
    return dict(item.annotations) | without_empty(
        {
            CREATED_BY: item.created_by,
            UPDATED_BY: item.updated_by,
            UPDATED_TIMESTAMP: timestamp_to_json(item.updated_at),
        }
    )


def without_empty(members: Mapping[str, object]) -> JsonObject:
    """The members that say something."""
    return {key: value for key, value in members.items() if value}


def timestamp_to_json(moment: Timestamp) -> str:
    """RFC 3339 in whole seconds, as Kubernetes writes times; empty when unset."""
    if not moment.seconds:
        return ""
    return datetime.fromtimestamp(moment.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def name_in(tree: Mapping[str, object]) -> str:
    """The name that an object to be created gives itself; empty when it gives none."""
    metadata = tree.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def check_type(body: Fields, *, kind: str, api_versions: tuple[str, ...]) -> None:
    """Raises BadRequestError unless kind and apiVersion are left out or the expected ones."""
    if body.text("kind") not in {"", kind}:
        raise BadRequestError(f"kind: must be {kind}")
    if body.text("apiVersion") not in {"", *api_versions}:
        raise BadRequestError(f"apiVersion: must be {' or '.join(api_versions)}")


def check_place(metadata: Fields, target: Target) -> None:
    """Raises BadRequestError unless the object says to be where the path says it is."""
    if metadata.text("namespace") not in {"", target.namespace}:
        raise BadRequestError("metadata.namespace: must be the namespace of the request's path")
    if target.name and metadata.text("name") not in {"", target.name}:
        raise BadRequestError("metadata.name: must be the name of the request's path")
    if not target.name and resource_version_in(metadata):
        raise BadRequestError(
            "metadata.resourceVersion: must not be set on an object to be created"
        )


def refuse_finalizers(metadata: Fields) -> None:
    """Raises InvalidArgumentError if there are any: nothing here would wait for them.

    Dropped without a word, they would let a controller believe that a delete waits for it.
    """
    if metadata.texts("finalizers"):
        message = "finalizers are not supported: a delete takes effect at once"
        violation = FieldViolation("metadata.finalizers", Rule.FORBIDDEN, message)
        raise InvalidArgumentError(violations=(violation,))


def annotations_from_json(metadata: Fields) -> dict[str, str]:
    """Those that are the client's own, without a value. Raises BadRequestError."""
    annotations = metadata.text_map("annotations")
    own = {key: text for key, text in annotations.items() if key not in DROPPED_ANNOTATIONS}
    return without_value(own)


def owner_references_from_json(metadata: Fields) -> list[OwnerReference]:
    """What metadata decides about; flags and uid mean nothing here. Raises BadRequestError."""
    return [
        OwnerReference(
            api_version=owner.text("apiVersion"),
            kind=owner.text("kind"),
            name=owner.text("name"),
        )
        for owner in metadata.children("ownerReferences")
    ]


def resource_version_in(metadata: Fields) -> str:
    """The state that an object says it was read in, empty for none. Raises BadRequestError.

    "0" is none, as in Kubernetes: clients write it that have read nothing.
    """
    version = metadata.text("resourceVersion")
    return "" if version == NO_VERSION else version


def preconditions_from_json(metadata: Fields) -> Preconditions:
    """The `uid` and `resourceVersion` that the client last saw; an empty one is not checked."""
    return Preconditions(
        uid=metadata.text("uid") or None, resource_version=resource_version_in(metadata) or None
    )
