"""The OpenAPI documents: one of version 3.0 for each group version, one of 2.0 for everything.

Sources: OpenAPI 3.0.3, Swagger 2.0, and what Kubernetes adds for its clients: the index of
documents with their hashes, and the `x-kubernetes-…` extensions.
"""

from collections.abc import Iterable

from gateway.bodies.request_json import JsonObject
from gateway.discovery.groups import AUTHENTICATION, AUTHORIZATION
from gateway.kinds import GROUP, KEEPER, SECURE_VALUE, VERSIONS
from gateway.openapi import openapi3, swagger2
from gateway.openapi.kind_operations import kind_operations
from gateway.openapi.operations import Operation, tags_of
from gateway.openapi.review_operations import review_operations
from gateway.openapi.schemas import Definitions, Dialect, GroupVersionKind

REVIEW_GROUPS = (AUTHORIZATION.name, AUTHENTICATION.name)
SERVED = (
    ("", "v1"),
    *((GROUP, version) for version in VERSIONS),
    *((group, "v1") for group in REVIEW_GROUPS),
)
LICENSE = {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
IN_EVERY_GROUP = ("DeleteOptions", "WatchEvent")
"""Kinds that each group version has as its own."""


def group_version_documents() -> dict[str, JsonObject]:
    """The OpenAPI 3.0 documents, by `apis/GROUP/VERSION`."""
    documents = {
        f"{GROUP}/{version}": _openapi3(f"{GROUP}/{version}", _secrets(version), version)
        for version in VERSIONS
    }
    for group in REVIEW_GROUPS:
        documents[f"{group}/v1"] = _openapi3(f"{group}/v1", _reviews(group), "v1")
    return {f"apis/{name}": document for name, document in documents.items()}


def whole_document() -> JsonObject:
    """The Swagger 2.0 document."""
    paths: dict[str, JsonObject] = {}
    made: JsonObject = {}
    every = [
        *((version, _secrets(version)) for version in VERSIONS),
        *(("v1", _reviews(group)) for group in REVIEW_GROUPS),
    ]
    for version, operations in every:
        definitions = Definitions(Dialect.V2, version, _kinds(operations))
        paths |= swagger2.paths(operations, definitions)
        made |= definitions.made
    tags = tags_of(operation for _, operations in every for operation in operations)
    return swagger2.document(_info("every group"), paths, made, tags)


def _openapi3(title: str, operations: tuple[Operation, ...], version: str) -> JsonObject:
    definitions = Definitions(Dialect.V3, version, _kinds(operations))
    return openapi3.document(_info(title), operations, definitions)


def _secrets(version: str) -> tuple[Operation, ...]:
    return (*kind_operations(SECURE_VALUE, version), *kind_operations(KEEPER, version))


def _reviews(group: str) -> tuple[Operation, ...]:
    return tuple(each for each in review_operations() if each.kind.group == group)


def _info(title: str) -> JsonObject:
    return {
        "title": f"Splitkeep: {title}",
        "version": "1",
        "description": "Names, labels and decrypters of secrets. No answer carries a value.",
        "contact": {"name": "Splitkeep"},
        "license": LICENSE,
    }


def _kinds(operations: Iterable[Operation]) -> dict[str, tuple[GroupVersionKind, ...]]:
    """Which of the schemas that the operations mention are whole objects, and of which kind."""
    kinds: dict[str, tuple[GroupVersionKind, ...]] = {
        name: tuple(GroupVersionKind(group, version, name) for group, version in SERVED)
        for name in IN_EVERY_GROUP
    }
    for own in {operation.kind for operation in operations}:
        listed = GroupVersionKind(own.group, own.version, f"{own.kind}List")
        kinds |= {own.kind: (own,), listed.kind: (listed,)}
    return kinds | {"Status": (GroupVersionKind("", "v1", "Status"),)}
