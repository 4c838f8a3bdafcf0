"""The operations by which a caller asks what it may do."""

from collections.abc import Iterator

from gateway.discovery import groups
from gateway.openapi.kubernetes import ACCESS_REVIEW, IDENTITY_REVIEW, RULES_REVIEW
from gateway.openapi.operations import (
    JSON,
    WITH_BODY,
    YAML,
    Body,
    Operation,
    Verb,
    answers,
    shown,
)
from gateway.openapi.parameters import PRETTY
from gateway.openapi.schemas import GroupVersionKind
from gateway.schema.types import Struct

VERSION = "v1"


def review_operations() -> Iterator[Operation]:
    """The reviews; each is answered and nothing is stored."""
    reviews = (
        (groups.ACCESS_REVIEW, ACCESS_REVIEW),
        (groups.RULES_REVIEW, RULES_REVIEW),
        (groups.IDENTITY_REVIEW, IDENTITY_REVIEW),
    )
    for kind, schema in reviews:
        yield Operation(
            path=f"/apis/{kind.group}/{VERSION}/{kind.plural}",
            place=(),
            kind=GroupVersionKind(kind.group, VERSION, kind.name),
            tag="access",
            verb=_create(schema),
        )


def _create(schema: Struct) -> Verb:
    return Verb(
        name="create",
        action="post",
        summary=schema.description,
        parameters=(PRETTY,),
        body=Body(content={JSON: (schema,), YAML: (schema,)}),
        answers=answers({201: shown("The review, with its answer.", schema)}, *WITH_BODY),
    )
