"""What the gateway must know of a kind to speak it in JSON."""

from typing import Any, Protocol, TypeVar

from gateway.bodies.request_json import JsonObject
from gateway.kinds import Kind, Target
from gateway.representation.object_meta import (
    StoredObject,
    identity_to_json,
    is_told_whole,
)
from gateway.schema.types import Struct
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager

ItemT = TypeVar("ItemT", bound=StoredObject)
ItemT_contra = TypeVar("ItemT_contra", bound=StoredObject, contravariant=True)
WriteT_co = TypeVar("WriteT_co", covariant=True)


class Representation(Protocol[ItemT_contra, WriteT_co]):
    """One kind's messages to and from the JSON of `secret.grafana.app`.

    What is written never carries a value; what is read yields it as `Sensitive`, nowhere else.
    """

    @property
    def kind(self) -> Kind:
        """Which kind this is."""
        ...

    @property
    def schema(self) -> Struct:
        """Every field that an object of the kind may have."""
        ...

    @property
    def spec_fields(self) -> tuple[str, ...]:
        """The fields of `spec` that have owners, each as a whole."""
        ...

    @property
    def write_only(self) -> tuple[tuple[str, ...], ...]:
        """Where in an object stands what can be written and never read."""
        ...

    def to_json(self, item: ItemT_contra, target: Target) -> JsonObject:
        """The object as clients read it; empty collections are left out."""
        ...

    def write_from(self, tree: JsonObject, target: Target, manager: FieldManager) -> WriteT_co:
        """What a body asks for. Raises BadRequestError: a type or a place does not fit."""
        ...


def as_told(
    item: ItemT, representation: Representation[ItemT, Any], target: Target
) -> JsonObject:
    """A written object: to a caller who may not read it, its identity only."""
    to_json = representation.to_json if is_told_whole(item) else identity_to_json
    return to_json(item, target)
