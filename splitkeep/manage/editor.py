"""An object in an editor: YAML without a value and without what the server sets."""

import copy
from typing import Any

import click
import yaml

from splitkeep.manage.failures import CommandError
from splitkeep.manage.rest import Object

HEAD = """\
# The value is not here and stays as it is. Lines that begin with # are left out.
# To change nothing, leave the editor without saving.
"""
KEPT = ("name", "labels")


def edited_document(before: Object) -> Object | None:
    """The object as the person left it; None if nothing differs. Raises CommandError.

    It keeps the uid and resourceVersion of `before`, so that a write on top of another's fails.
    """
    shown = _shown(before)
    try:
        text = click.edit(HEAD + yaml.safe_dump(shown, sort_keys=False), extension=".yaml")
    except click.ClickException as error:
        raise CommandError(error.message) from error
    if text is None:
        return None
    left = _parsed(text)
    return None if left == shown else _merged(before, left)


def _shown(document: Object) -> Object:
    metadata = {key: document["metadata"][key] for key in KEPT if key in document["metadata"]}
    return {"metadata": metadata, "spec": document["spec"]}


def _parsed(text: str) -> Object:
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CommandError(f"this is not YAML, and nothing is written: {error}") from None
    parts = document if isinstance(document, dict) else {}
    if not all(isinstance(parts.get(key), dict) for key in ("metadata", "spec")):
        raise CommandError("metadata or spec is missing, and nothing is written")
    return parts


def _merged(before: Object, left: Object) -> Object:
    """Everything that was not shown, and what the person left."""
    if left["metadata"].get("name") != before["metadata"]["name"]:
        raise CommandError("metadata.name cannot be changed, and nothing is written")
    document = copy.deepcopy(before)
    document.pop("status", None)
    document["metadata"]["labels"] = left["metadata"].get("labels") or {}
    document["spec"] = left["spec"]
    return document
