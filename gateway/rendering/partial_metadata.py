"""`PartialObjectMetadata`: an object's metadata and nothing else."""

from collections.abc import Mapping

from gateway.bodies.request_json import JsonObject
from gateway.rendering.forms import META_GROUP, Form, Shape


def metadata_alone(item: Mapping[str, object], form: Form) -> JsonObject:
    """What the object's metadata says, under the kind that has nothing else."""
    return _head(Shape.METADATA.value, item, form)


def metadata_list_head(document: Mapping[str, object], form: Form) -> JsonObject:
    """A list of metadata without its items."""
    return _head(f"{Shape.METADATA.value}List", document, form)


def _head(kind: str, document: Mapping[str, object], form: Form) -> JsonObject:
    return {
        "kind": kind,
        "apiVersion": f"{META_GROUP}/{form.meta_version}",
        "metadata": document.get("metadata", {}),
    }
