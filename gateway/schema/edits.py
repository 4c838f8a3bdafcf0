"""What `POST {name}/edit` takes: the parts to change, and nothing of the rest."""

from gateway.schema.kinds import GROUP_PACKAGE, KEEPER_SPEC, SECURE_VALUE_SPEC
from gateway.schema.object_meta import (
    LABEL_PATTERN,
    LABEL_VALUE_PATTERN,
    MAX_LABEL_LENGTH,
    MAX_LABELS,
)
from gateway.schema.types import ListOf, MapOf, Struct, Text

_KEY = Text(min_length=1, max_length=MAX_LABEL_LENGTH, pattern=LABEL_PATTERN)
_SEEN = Struct(
    name="EditPreconditions",
    package=GROUP_PACKAGE,
    description="What must be so, else the edit is a conflict.",
    fields={
        "uid": Text(description="uid of the object to edit."),
        "resourceVersion": Text(description="resourceVersion of the object to edit."),
    },
)
_LABELS = Struct(
    name="LabelsEdit",
    package=GROUP_PACKAGE,
    description="Labels to put and to remove; the others stay.",
    fields={
        "put": MapOf(
            description="Labels to set.",
            values=Text(max_length=MAX_LABEL_LENGTH, pattern=LABEL_VALUE_PATTERN),
            max_members=MAX_LABELS,
        ),
        "remove": ListOf(
            description="Keys; one that is not there is no error.", items=_KEY, max_items=64
        ),
    },
)
_DECRYPTERS = Struct(
    name="DecryptersEdit",
    package=GROUP_PACKAGE,
    description="Decrypters to add and to remove; the others stay, in their order.",
    fields={
        "add": ListOf(
            description="Appended, where they are not on the list.",
            items=_KEY,
            max_items=64,
            unique=True,
        ),
        "remove": ListOf(
            description="One that is not on the list is no error.", items=_KEY, max_items=64
        ),
    },
)

SECURE_VALUE_EDIT = Struct(
    name="SecureValueEdit",
    package=GROUP_PACKAGE,
    description="What to change of a secure value. Its value and annotations stay.",
    fields={
        "description": SECURE_VALUE_SPEC.fields["description"],
        "labels": _LABELS,
        "decrypters": _DECRYPTERS,
        "preconditions": _SEEN,
    },
)
KEEPER_EDIT = Struct(
    name="KeeperEdit",
    package=GROUP_PACKAGE,
    description="What to change of a keeper. Its provider and annotations stay.",
    fields={
        "description": KEEPER_SPEC.fields["description"],
        "labels": _LABELS,
        "preconditions": _SEEN,
    },
)

EDITS = {"SecureValue": SECURE_VALUE_EDIT, "Keeper": KEEPER_EDIT}
"""By the name of the kind."""
