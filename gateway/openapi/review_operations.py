"""The operations by which a caller asks what it may do."""

from collections.abc import Iterator

from gateway.openapi.kubernetes import ACCESS_REVIEW, RULES_REVIEW
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

GROUP, VERSION = "authorization.k8s.io", "v1"


def review_operations() -> Iterator[Operation]:
    """Both reviews; each is answered and nothing is stored."""
    reviews = (
        (ACCESS_REVIEW, "selfsubjectaccessreviews"),
        (RULES_REVIEW, "selfsubjectrulesreviews"),
    )
    for schema, plural in reviews:
        yield Operation(
            path=f"/apis/{GROUP}/{VERSION}/{plural}",
            place=(),
            kind=GroupVersionKind(GROUP, VERSION, schema.name),
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
