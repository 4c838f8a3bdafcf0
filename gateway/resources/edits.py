"""`POST {name}/edit`: changes the named parts of an object, for callers who may not read it."""

from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.sensitive import Sensitive
from gateway.bodies.body import object_in, read_document
from gateway.bodies.content_type import JSON, OBJECT_TYPES
from gateway.bodies.field_validation import problems_in, warnings_of
from gateway.bodies.fields import Fields
from gateway.bodies.request_json import JsonObject
from gateway.clients.resources import PartialEdit, Resources, WriteOptions
from gateway.kinds import Target
from gateway.queries.write_query import write_query_from
from gateway.rendering.answers import answer
from gateway.representation.object_meta import StoredObject, preconditions_from_json
from gateway.representation.representation import Representation, as_told
from gateway.schema.edits import EDITS
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")


class Edits(Generic[ItemT, WriteT]):
    """Edits of one kind."""

    def __init__(
        self,
        client: Resources[ItemT, WriteT],
        representation: Representation[ItemT, WriteT],
    ) -> None:
        self._client = client
        self._representation = representation

    async def edit(self, target: Target, request: Request, token: Sensitive[str]) -> Response:
        """POST: 200 and the object; only its identity, for who may not read it."""
        asked = write_query_from(request, target)
        _, document = await read_document(request, OBJECT_TYPES, default=JSON)
        tree = object_in(document)
        problems = problems_in(tree, EDITS[target.kind.name], document.repeated)
        warnings = warnings_of(problems, asked.validation)
        made = await self._client.edit(
            edit_from_json(tree, target, asked.manager),
            options=WriteOptions(dry_run=asked.dry_run),
            token=token,
        )
        return answer(as_told(made, self._representation, target), request, warnings=warnings)


def edit_from_json(tree: JsonObject, target: Target, manager: FieldManager) -> PartialEdit:
    """What the body asks for. Raises BadRequestError: a wrong type."""
    body = Fields(tree)
    labels = body.child("labels")
    known = "decrypters" in EDITS[target.kind.name].fields
    decrypters = body.child("decrypters") if known else Fields({})
    return PartialEdit(
        namespace=target.namespace,
        name=target.name,
        description=body.text_if_present("description"),
        put_labels=labels.text_map("put"),
        remove_labels=tuple(labels.texts("remove")),
        add_decrypters=tuple(decrypters.texts("add")),
        remove_decrypters=tuple(decrypters.texts("remove")),
        preconditions=preconditions_from_json(body.child("preconditions")),
        manager=manager,
    )
