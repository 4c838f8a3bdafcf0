"""An object as the fields that can have owners: path to content, and back.

The paths are those of protos/…/field_owner.proto: `spec.description`, `metadata.labels[team]`.
Every field of `spec` is owned as a whole, labels and annotations one by one.
"""

from collections.abc import Mapping, Sequence

from gateway.bodies.fields import Fields
from gateway.bodies.request_json import JsonObject
from gateway.representation.object_meta import annotations_from_json


def owned_fields(tree: Mapping[str, object], spec_fields: Sequence[str]) -> JsonObject:
    """What stands under each path; null is nothing. Raises BadRequestError: a wrong type."""
    body = Fields(tree)
    metadata, spec = body.child("metadata"), body.child("spec").members
    found: JsonObject = {
        f"spec.{name}": spec[name] for name in spec_fields if spec.get(name) is not None
    }
    found |= {f"metadata.labels[{k}]": v for k, v in metadata.text_map("labels").items()}
    annotations = annotations_from_json(metadata)
    return found | {f"metadata.annotations[{k}]": v for k, v in annotations.items()}


def object_of_fields(found: Mapping[str, object]) -> dict[str, JsonObject]:
    """The `metadata` and the `spec` that have these fields."""
    labels, annotations, spec = (
        {
            path[len(head) : len(path) - len(tail)]: content
            for path, content in found.items()
            if path.startswith(head) and path.endswith(tail)
        }
        for head, tail in (
            ("metadata.labels[", "]"),
            ("metadata.annotations[", "]"),
            ("spec.", ""),
        )
    )
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}
