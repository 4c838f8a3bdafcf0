"""Events of a watch, one JSON document a line (Kubernetes API concepts, "Watch events")."""

from dataclasses import replace
from datetime import datetime

import msgspec

from gateway.bodies.request_json import JsonObject
from gateway.kinds import Target
from gateway.rendering.forms import Form
from gateway.rendering.shapes import shaped

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""The annotation of the bookmark that follows what there was when the watch began."""

BOOKMARK, ERROR = "BOOKMARK", "ERROR"


def event_line(kind: str, document: JsonObject, form: Form, *, now: datetime) -> bytes:
    """The line that tells of an event of this kind; `document` is the object as it is now."""
    return _line(kind, shaped(document, replace(form, now=now)))


def error_line(status: JsonObject) -> bytes:
    """The last line of a watch that cannot go on."""
    return _line(ERROR, status)


def bookmark_of(target: Target, resource_version: int, *, initial_end: bool) -> JsonObject:
    """An object with nothing in it but how far the watch has come."""
    metadata: JsonObject = {
        "resourceVersion": str(resource_version),
        "creationTimestamp": None,
    }
    if initial_end:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    return {
        "kind": target.kind.name,
        "apiVersion": target.api_version,
        "metadata": metadata,
    }


def _line(kind: str, document: JsonObject) -> bytes:
    return msgspec.json.encode({"type": kind, "object": document}) + b"\n"
