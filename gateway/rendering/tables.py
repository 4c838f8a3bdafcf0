"""`Table`: rows and columns for people, made by the server so that every client shows the same.

Source: Kubernetes API concepts, "Receiving resources as Tables"; kubectl prints the cells as
they are, ages included.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.bodies.request_json import JsonObject
from gateway.kinds import KEEPER, SECURE_VALUE
from gateway.rendering.ages import UNKNOWN, age
from gateway.rendering.forms import META_GROUP, Form, Included
from gateway.rendering.partial_metadata import metadata_alone

NONE = "<none>"
"""How kubectl shows that there is nothing to show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column, and where in an object its cells are found."""

    name: str
    path: tuple[str, ...]
    description: str
    type: str = "string"
    format: str = ""
    wide: bool = False
    """Shown by `kubectl get -o wide` only."""


_NAME = Column(
    name="Name",
    path=("metadata", "name"),
    format="name",
    description="Unique in its namespace.",
)
_DESCRIPTION = Column(
    name="Description", path=("spec", "description"), description="What it is for."
)
_AGE = Column(
    name="Age",
    path=("metadata", "creationTimestamp"),
    description="How long ago it was created.",
)

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    SECURE_VALUE.name: (
        _NAME,
        _DESCRIPTION,
        Column(name="Keeper", path=("status", "keeper"), description="Where it is kept."),
        Column(name="Ref", path=("spec", "ref"), description="What it is called there."),
        Column(
            name="Decrypters",
            path=("spec", "decrypters"),
            description="Who may read the value.",
        ),
        _AGE,
        Column(
            name="Version",
            path=("status", "version"),
            type="integer",
            format="int64",
            description="How many values it has had.",
            wide=True,
        ),
    ),
    KEEPER.name: (
        _NAME,
        _DESCRIPTION,
        Column(
            name="Active",
            path=("status", "active"),
            type="boolean",
            description="Whether new values are kept there.",
        ),
        _AGE,
        Column(
            name="Region",
            path=("spec", "aws", "region"),
            description="Where in the cloud it is.",
            wide=True,
        ),
    ),
}
"""By kind. What a list shows is on every object anyway; nothing of a value can be among it."""


def table_head(kind: str, metadata: object, form: Form) -> JsonObject:
    """A table without its rows."""
    return {
        "kind": "Table",
        "apiVersion": f"{META_GROUP}/{form.meta_version}",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in COLUMNS[kind]],
    }


def table_row(kind: str, item: Mapping[str, object], form: Form) -> JsonObject:
    """The cells of one object, and as much of it as the client asked for."""
    return {
        "cells": [_cell(column, item, form) for column in COLUMNS[kind]],
        "object": _included(item, form),
    }


def _definition(column: Column) -> JsonObject:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": int(column.wide),
    }


def _cell(column: Column, item: Mapping[str, object], form: Form) -> object:
    found: object = item
    for step in column.path:
        found = found.get(step) if isinstance(found, Mapping) else None
    if column is _AGE:
        return age(found, form.now) if isinstance(found, str) else UNKNOWN
    if isinstance(found, list):
        found = ",".join(map(str, found))
    if column.type == "string":
        return found or NONE
    return found


def _included(item: Mapping[str, object], form: Form) -> object:
    match form.included:
        case Included.NOTHING:
            return None
        case Included.OBJECT:
            return item
        case Included.METADATA:
            return metadata_alone(item, form)
