"""The operations of both kinds, in one version of the API."""

from collections.abc import Iterator
from functools import partial

from gateway.kinds import GROUP, KEEPER, SECURE_VALUE, Kind
from gateway.openapi.examples import edit_example, object_example, patch_examples
from gateway.openapi.kubernetes import (
    DELETE_OPTIONS,
    JSON_PATCH,
    LIST_META,
    MERGE_PATCH,
    PARTIAL_OBJECT,
    STATUS,
    WATCH_EVENT,
)
from gateway.openapi.operations import (
    APPLY_PATCH,
    JSON,
    JSON_PATCH_TYPE,
    MERGE_PATCH_TYPE,
    WATCH_STREAM,
    WITH_BODY,
    YAML,
    Answer,
    Body,
    Operation,
    Verb,
    answers,
    shown,
)
from gateway.openapi.parameters import (
    DRY_RUN,
    FIELD_MANAGER,
    FIELD_VALIDATION,
    FORCE,
    IDEMPOTENCY_KEY,
    LISTING,
    NAME,
    NAMESPACE,
    ORDERING,
    PRETTY,
    SELECTORS,
)
from gateway.openapi.schemas import GroupVersionKind
from gateway.schema.edits import EDITS
from gateway.schema.kinds import GROUP_PACKAGE, SCHEMAS
from gateway.schema.object_meta import API_VERSION, KIND
from gateway.schema.types import Anything, ListOf, Struct

DELETED = shown("Gone, and the Status says so.", STATUS)


def list_of(schema: Struct) -> Struct:
    """The list of a kind."""
    return Struct(
        name=f"{schema.name}List",
        package=GROUP_PACKAGE,
        description=f"{schema.name}List is one page of a list, in the order of names.",
        required=("items",),
        fields={
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": LIST_META,
            "items": ListOf(description="The objects.", items=schema),
        },
    )


def kind_operations(kind: Kind, version: str) -> Iterator[Operation]:
    """Every operation of one kind in one version, in the order in which people look."""
    schema = SCHEMAS[kind.name]
    collection = f"/apis/{GROUP}/{version}/namespaces/{{namespace}}/{kind.plural}"
    one = f"{collection}/{{name}}"
    operation = partial(
        Operation, kind=GroupVersionKind(GROUP, version, kind.name), tag=kind.plural
    )
    for verb in (_create(kind, schema), _list(kind, schema), _delete_collection(kind)):
        yield operation(path=collection, place=(NAMESPACE,), verb=verb)
    for verb in (
        _read(kind, schema),
        _replace(kind, schema),
        _patch(kind, version, schema),
        _delete(kind),
    ):
        yield operation(path=one, place=(NAMESPACE, NAME), verb=verb)
    yield operation(path=f"{one}/edit", place=(NAMESPACE, NAME), verb=_edit(kind, schema))
    if kind == KEEPER:
        yield operation(path=f"{one}/activate", place=(NAMESPACE, NAME), verb=_activate(schema))


def _create(kind: Kind, schema: Struct) -> Verb:
    return Verb(
        name="create",
        action="post",
        summary=f"Creates a {kind.words}.",
        parameters=(DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, IDEMPOTENCY_KEY, PRETTY),
        body=_whole(kind, schema),
        answers=answers({201: shown("Created.", schema)}, 409, *WITH_BODY),
    )


def _list(kind: Kind, schema: Struct) -> Verb:
    listed = list_of(schema)
    content = {JSON: (listed,), YAML: (listed,), WATCH_STREAM: (WATCH_EVENT,)}
    found = Answer(description="The list; with `watch`, events as they come.", content=content)
    return Verb(
        name="list",
        action="list",
        summary=f"Lists or watches the {kind.words}s that the caller may read.",
        parameters=(*(ORDERING if kind == SECURE_VALUE else ()), *LISTING, PRETTY),
        answers=answers({200: found}, 410),
    )


def _delete_collection(kind: Kind) -> Verb:
    return Verb(
        name="deleteCollection",
        action="deletecollection",
        summary=f"Deletes the selected {kind.words}s that the caller may delete.",
        parameters=(*SELECTORS, DRY_RUN, PRETTY),
        body=_delete_options(),
        answers=answers({200: DELETED}, 409, *WITH_BODY),
    )


def _read(kind: Kind, schema: Struct) -> Verb:
    return Verb(
        name="read",
        action="get",
        summary=f"Reads one {kind.words}.",
        description="No answer ever carries a value.",
        parameters=(PRETTY,),
        answers=answers({200: shown("Found.", schema)}, 404),
    )


def _replace(kind: Kind, schema: Struct) -> Verb:
    return Verb(
        name="replace",
        action="put",
        summary=f"Replaces one {kind.words}.",
        description="What is left out is removed, but for spec.value, which stays.",
        parameters=(DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, PRETTY),
        body=_whole(kind, schema),
        answers=answers({200: shown("Replaced.", schema)}, 404, 409, *WITH_BODY),
    )


def _patch(kind: Kind, version: str, schema: Struct) -> Verb:
    patched = {
        200: shown("Patched; only its identity, for who may not read it.", *_seen(schema)),
        201: shown("Created, by an apply patch.", *_seen(schema)),
    }
    return Verb(
        name="patch",
        action="patch",
        summary=f"Changes or applies one {kind.words}.",
        description="The patched object is written at the resourceVersion it was read at. An "
        "apply patch creates what is not there. Strategic merge patches are not read.",
        parameters=(DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, FORCE, PRETTY),
        body=Body(
            content={
                MERGE_PATCH_TYPE: (MERGE_PATCH,),
                JSON_PATCH_TYPE: (JSON_PATCH,),
                APPLY_PATCH: (schema,),
            },
            examples=patch_examples(kind, version),
        ),
        answers=answers(patched, 404, 409, *WITH_BODY),
    )


def _seen(schema: Struct) -> tuple[Struct, Struct]:
    return schema, PARTIAL_OBJECT


def _delete(kind: Kind) -> Verb:
    return Verb(
        name="delete",
        action="delete",
        summary=f"Deletes one {kind.words}, for every reader at once.",
        parameters=(DRY_RUN, PRETTY),
        body=_delete_options(),
        answers=answers({200: DELETED}, 404, 409, *WITH_BODY),
    )


def _edit(kind: Kind, schema: Struct) -> Verb:
    taken = EDITS[kind.name]
    example = edit_example(kind)
    return Verb(
        name="edit",
        action="post",
        summary=f"Changes parts of one {kind.words}, whatever the rest is.",
        description="The right to write is enough. Without the right to read, at most four "
        "labels and four decrypters are added at a time, and the answer is the identity alone.",
        parameters=(DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, PRETTY),
        body=Body(
            content={JSON: (taken,), YAML: (taken,)}, examples={JSON: example, YAML: example}
        ),
        answers=answers(
            {200: shown("Edited; only its identity, for who may not read it.", *_seen(schema))},
            404,
            409,
            *WITH_BODY,
        ),
    )


def _activate(schema: Struct) -> Verb:
    nothing = Anything(description="Nothing is read from it.")
    return Verb(
        name="activate",
        action="post",
        summary="Keeps new secure values of the namespace here.",
        description="The name `system` goes back to the server's own vault.",
        parameters=(DRY_RUN, PRETTY),
        body=Body(
            content={JSON: (nothing,), YAML: (nothing,)},
            required=False,
            examples={JSON: {}, YAML: {}},
        ),
        answers=answers(
            {200: shown("Active; a Status for `system`.", schema, STATUS)}, 404, 409, *WITH_BODY
        ),
    )


def _whole(kind: Kind, schema: Struct) -> Body:
    example = object_example(kind)
    return Body(
        content={JSON: (schema,), YAML: (schema,)}, examples={JSON: example, YAML: example}
    )


def _delete_options() -> Body:
    content = {JSON: (DELETE_OPTIONS,), YAML: (DELETE_OPTIONS,)}
    return Body(content=content, required=False, examples={JSON: {}, YAML: {}})
