"""An object in an editor: YAML without a value and without what the server sets."""

import copy
import json
from collections.abc import Iterator
from difflib import unified_diff
from itertools import islice
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
        text = click.edit(HEAD + _yaml(shown), extension=".yaml")
    except click.ClickException as error:
        raise CommandError(error.message) from error
    if text is None:
        return None
    left = _parsed(text)
    return None if left == shown else _merged(before, left)


def differences(before: Object, after: Object) -> Iterator[str]:
    """Lines that were removed (`-`) and added (`+`), of what the editor shows of both."""
    old, new = (_yaml(_shown(document)).splitlines() for document in (before, after))
    compared = unified_diff(old, new, lineterm="", n=0)
    yield from (line for line in islice(compared, 2, None) if not line.startswith("@@"))


class _Loader(yaml.SafeLoader):
    """YAML as JSON has it: what looks like a date is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yaml(document: Object) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def _shown(document: Object) -> Object:
    metadata = {key: document["metadata"][key] for key in KEPT if document["metadata"].get(key)}
    spec = {key: part for key, part in document["spec"].items() if key != "value"}
    return {"metadata": metadata, "spec": spec}


def _parsed(text: str) -> Object:
    try:
        document: Any = yaml.load(text, _Loader)  # noqa: S506  # a safe loader
        json.dumps(document)
    except yaml.YAMLError as error:
        raise CommandError(f"this is not YAML{_place(error)}: nothing is written") from None
    except (TypeError, ValueError):
        raise CommandError("this has what JSON has not: nothing is written") from None
    parts = document if isinstance(document, dict) else {}
    if not all(isinstance(parts.get(key), dict) for key in ("metadata", "spec")):
        raise CommandError("metadata or spec is missing, and nothing is written")
    if "value" in parts["spec"]:
        raise CommandError(
            "spec.value: must not be in the file, which may be kept by the editor; use "
            "--from-file, --from-env or --generate. Nothing is written"
        )
    return parts


def _place(error: yaml.YAMLError) -> str:
    """Where it is, without what stands there."""
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""


def _merged(before: Object, left: Object) -> Object:
    """Everything that was not shown, and what the person left."""
    if left["metadata"].get("name") != before["metadata"]["name"]:
        raise CommandError("metadata.name cannot be changed, and nothing is written")
    document = copy.deepcopy(before)
    document.pop("status", None)
    document["metadata"]["labels"] = left["metadata"].get("labels") or {}
    document["spec"] = left["spec"]
    return document
