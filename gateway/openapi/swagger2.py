"""Operations written as Swagger 2.0: what older clients read, one document for everything."""

from collections.abc import Iterable

from gateway.bodies.request_json import JsonObject
from gateway.openapi.operations import JSON, YAML, Answer, Body, Operation
from gateway.openapi.schemas import Definitions


def paths(operations: Iterable[Operation], definitions: Definitions) -> dict[str, JsonObject]:
    """The operations by path and method; what they mention is added to the definitions."""
    made: dict[str, JsonObject] = {}
    for operation in operations:
        of_path = made.setdefault(operation.path, {})
        of_path[operation.verb.method] = _operation(operation, definitions)
    return made


def document(
    info: JsonObject,
    paths_made: dict[str, JsonObject],
    definitions: JsonObject,
    tags: list[JsonObject],
) -> JsonObject:
    """The whole document."""
    token = {"type": "apiKey", "name": "authorization", "in": "header"}
    return {
        "swagger": "2.0",
        "info": info,
        "basePath": "/",
        "schemes": ["https"],
        "tags": tags,
        "paths": paths_made,
        "definitions": definitions,
        "securityDefinitions": {"BearerToken": token},
        "security": [{"BearerToken": []}],
    }


def _operation(operation: Operation, definitions: Definitions) -> JsonObject:
    verb = operation.verb
    parameters = [
        parameter.head() | definitions.schema(parameter.schema)
        for parameter in operation.parameters
    ]
    made = operation.head() | {"produces": [JSON, YAML]}
    if verb.body is not None:
        made["consumes"] = list(verb.body.content)
        parameters.append(_body(verb.body, definitions))
    made["parameters"] = parameters
    made["responses"] = {
        str(code): _answer(answer, definitions) for code, answer in verb.answers.items()
    }
    return made


def _body(body: Body, definitions: Definitions) -> JsonObject:
    """The dialect knows one schema for every form of body: the most general one, if several."""
    first, *others = (schemas[0] for schemas in body.content.values())
    alike = all(other is first for other in others)
    schema = definitions.bare(first) if alike else {"type": "object"}
    return {"name": "body", "in": "body", "required": body.required, "schema": schema}


def _answer(answer: Answer, definitions: Definitions) -> JsonObject:
    schema = definitions.bare(answer.content[JSON][0])
    return {"description": answer.description, "schema": schema}
