"""A document in the shape that the client asked for: whole, as a table, or its metadata."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.bodies.request_json import JsonObject
from gateway.rendering.forms import Form, Shape
from gateway.rendering.partial_metadata import metadata_alone, metadata_list_head
from gateway.rendering.tables import COLUMNS, table_head, table_row

LIST = "List"


@dataclass(frozen=True, slots=True)
class ListShape:
    """What stands around a list's items, and what stands for each."""

    head: JsonObject
    member: str
    """Under which the items stand."""
    of_item: Callable[[JsonObject], JsonObject]


def list_shape(head: JsonObject, form: Form) -> ListShape:
    """The shape of a list whose document, but for its items, is `head`."""
    kind = str(head["kind"]).removesuffix(LIST)
    match form.shape:
        case Shape.TABLE:
            table = table_head(kind, head["metadata"], form)
            return ListShape(table, "rows", lambda item: table_row(kind, item, form))
        case Shape.METADATA:
            partial = metadata_list_head(head, form)
            return ListShape(partial, "items", lambda item: metadata_alone(item, form))
        case Shape.WHOLE:
            return ListShape(head, "items", lambda item: item)


def shaped(document: JsonObject, form: Form) -> JsonObject:
    """The document as asked for. What is no object of ours, such as a `Status`, stays."""
    if form.shape is Shape.WHOLE or str(document.get("kind")).removesuffix(LIST) not in COLUMNS:
        return document
    if "items" in document:
        return _shaped_list(document, form)
    if form.shape is Shape.METADATA:
        return metadata_alone(document, form)
    kind = str(document["kind"])
    metadata = {"resourceVersion": _resource_version(document)}
    return table_head(kind, metadata, form) | {"rows": [table_row(kind, document, form)]}


def _shaped_list(document: JsonObject, form: Form) -> JsonObject:
    head = {key: value for key, value in document.items() if key != "items"}
    shape, items = list_shape(head, form), document["items"]
    rendered = [shape.of_item(item) for item in items] if isinstance(items, list) else []
    return shape.head | {shape.member: rendered}


def _resource_version(document: JsonObject) -> object:
    metadata = document.get("metadata")
    return metadata.get("resourceVersion", "") if isinstance(metadata, Mapping) else ""
