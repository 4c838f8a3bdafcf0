"""Operations written as OpenAPI 3.0.3: what present clients read, one for a group version."""

from collections.abc import Sequence

from gateway.bodies.request_json import JsonObject
from gateway.openapi.operations import Body, Content, Operation, tags_of
from gateway.openapi.parameters import Parameter
from gateway.openapi.schemas import Definitions
from gateway.schema.types import Schema


def document(
    info: JsonObject, operations: Sequence[Operation], definitions: Definitions
) -> JsonObject:
    """The whole document."""
    paths: dict[str, JsonObject] = {}
    for operation in operations:
        of_path = paths.setdefault(operation.path, {})
        of_path[operation.verb.method] = _operation(operation, definitions)
    return {
        "openapi": "3.0.3",
        "info": info,
        "servers": [{"url": "/"}],
        "tags": tags_of(operations),
        "paths": paths,
        "components": {
            "schemas": definitions.made,
            "securitySchemes": {"BearerToken": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"BearerToken": []}],
    }


def _operation(operation: Operation, definitions: Definitions) -> JsonObject:
    verb = operation.verb
    made = operation.head()
    made["parameters"] = [
        _parameter(parameter, definitions) for parameter in operation.parameters
    ]
    if verb.body is not None:
        made["requestBody"] = _body(verb.body, definitions)
    made["responses"] = {
        str(code): {
            "description": answer.description,
            "content": _content(answer.content, definitions),
        }
        for code, answer in verb.answers.items()
    }
    return made


def _body(body: Body, definitions: Definitions) -> JsonObject:
    content = _content(body.content, definitions)
    for media_type, example in body.examples.items():
        content[media_type] |= {"example": example}
    return {"content": content, "required": body.required}


def _parameter(parameter: Parameter, definitions: Definitions) -> JsonObject:
    schema = definitions.schema(parameter.schema)
    description = schema.pop("description", "")
    example = {"example": parameter.example} if parameter.example else {}
    return parameter.head() | {"description": description, "schema": schema} | example


def _content(content: Content, definitions: Definitions) -> dict[str, JsonObject]:
    return {
        media_type: {"schema": _any_of(schemas, definitions)}
        for media_type, schemas in content.items()
    }


def _any_of(schemas: tuple[Schema, ...], definitions: Definitions) -> JsonObject:
    return definitions.bare(schemas[0]) if len(schemas) == 1 else definitions.one_of(schemas)
