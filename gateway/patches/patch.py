"""What every form of PATCH has in common: it is made on the object as it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.bodies.request_json import JsonObject
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldOwner


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The object that a patch is made on, without what can only be written."""

    tree: JsonObject
    """Used up by the patch."""
    owners: Sequence[FieldOwner]


class Patch(Protocol):
    """A PATCH's body, ready to be made on any state of the object. It does not print."""

    def made_on(self, live: Live) -> object:
        """The object as it is to be.

        Raises UnprocessableError: it does not fit; ApplyConflictError.
        """
        ...

    def created(self) -> JsonObject | None:
        """What it makes where there is no object; None: nothing."""
        ...
