"""Rows and stored objects to secure values and keepers, and back.

A stored object is what outcomes and changes keep. One that an older version stored lacks newer
fields, which then have their defaults; what a newer version added is passed over.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import structlog

from metadata_svc.domain.field_owners import FieldOwner, OwnerOperation
from metadata_svc.domain.keeper import AwsAssumeRole, AwsKeeper, Keeper
from metadata_svc.domain.resource import DamagedObjectError, Kind, Resource
from metadata_svc.domain.secure_value import SecureValue

ResourceT = TypeVar("ResourceT", SecureValue, Keeper)

AWS_TYPE = "aws"
_FIXED_SIZE_BYTES = 256  # ids, numbers and times, about
_ITEM_OVERHEAD_BYTES = 8  # tags and lengths of one map entry or list item, about
# No object that was written here weighs a third of it; pages.sql reads nothing heavier.
MAX_OBJECT_BYTES = 1024 * 1024
_NUMBER_LIMIT = 2**63
# What reading raises that does not hold what it should.
DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
DAMAGED_OUTCOME = "what this write made is recorded, and damaged in the database"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EMPTY: Mapping[str, object] = {
    "description": "",
    "labels": "{}",
    "annotations": "{}",
    "field_owners": "[]",
    "decrypters": (),
    "config": "{}",
    "created_at": _EPOCH,
    "created_by": "",
    "created_by_issuer": "",
    "updated_at": _EPOCH,
    "updated_by": "",
    "updated_by_issuer": "",
}

Row: TypeAlias = asyncpg.Record | Mapping[str, Any]

_log = structlog.get_logger(__name__)


def secure_value_from_row(row: Row) -> SecureValue:
    """The secure value of a row that has all of its columns. Raises DamagedObjectError."""
    return _sound(Kind.SECURE_VALUE, row, _secure_value)


def keeper_from_row(row: Row) -> Keeper:
    """The keeper of a row that has all of its columns. Raises DamagedObjectError."""
    return _sound(Kind.KEEPER, row, _keeper)


def salvaged_secure_value(row: Row) -> SecureValue:
    """Which secure value it is, and nothing else: of a row that is damaged."""
    return secure_value_from_row(_emptied(row))


def salvaged_keeper(row: Row) -> Keeper:
    """Which keeper it is, and nothing else: of a row that is damaged."""
    return keeper_from_row(_emptied(row))


def secure_value_from_json(text: str) -> SecureValue:
    """The secure value of a stored object. Raises one of DAMAGE if it is none."""
    stored = json.loads(text)
    made = SecureValue(
        **_stored_fields(stored, SecureValue)
        | {
            "decrypters": tuple(stored["decrypters"]),
            "value_id": UUID(stored["value_id"]),
        }
    )
    check_sound(made)
    return made


def keeper_from_json(text: str) -> Keeper:
    """The keeper of a stored object. Raises one of DAMAGE if it is none."""
    stored = json.loads(text)
    made = Keeper(**_stored_fields(stored, Keeper) | {"aws": _aws(stored["aws"])})
    check_sound(made)
    return made


def note_damaged_outcome(error: Exception) -> None:
    """It is logged that an outcome cannot be read, without what it holds."""
    _log.error("a recorded outcome is damaged", reason=type(error).__name__)


def resource_to_json(resource: Resource) -> str:
    """The object as outcomes and changes keep it."""
    return json.dumps(dataclasses.asdict(resource), default=_text)


def map_to_json(texts: Mapping[str, str]) -> str:
    """Labels or annotations as their column keeps them."""
    return json.dumps(dict(texts))


def owners_to_json(owners: tuple[FieldOwner, ...]) -> str:
    """Field owners as their column keeps them."""
    return json.dumps([dataclasses.asdict(owner) for owner in owners], default=_text)


def aws_to_json(aws: AwsKeeper) -> str:
    """A keeper's configuration as its column keeps it, under the type `aws`."""
    return json.dumps(dataclasses.asdict(aws))


def aws_from_json(text: str) -> AwsKeeper:
    """The configuration of a column; what is not there is not set."""
    return _aws(json.loads(text))


def size_bytes(resource: SecureValue | Keeper) -> int:
    """About what it weighs in an answer."""
    maps = (resource.labels, resource.annotations)
    texts = [
        resource.namespace,
        resource.name,
        resource.description,
        resource.created_by,
        resource.updated_by,
        *_texts_of_spec(resource),
        *(text for pairs in maps for pair in pairs.items() for text in pair),
        *(text for owner in resource.field_owners for text in _texts_of_owner(owner)),
    ]
    return _FIXED_SIZE_BYTES + sum(len(text.encode()) + _ITEM_OVERHEAD_BYTES for text in texts)


def _sound(kind: Kind, row: Row, read: Callable[[Row], ResourceT]) -> ResourceT:
    try:
        made = read(row)
        check_sound(made)
    except DAMAGE as error:
        _log.error(  # frames would quote what the row holds
            "a stored object is damaged",
            kind=kind.value,
            namespace=row["namespace"],
            name=row["name"],
            reason=type(error).__name__,
        )
        raise DamagedObjectError(kind, row["name"]) from None
    return made


def _emptied(row: Row) -> Row:
    columns = dict(row.items())
    return columns | {name: empty for name, empty in _EMPTY.items() if name in columns}


def check_sound(made: SecureValue | Keeper) -> None:
    """Every field is of its type, and the whole fits into an answer. Raises one of DAMAGE."""
    issuers: tuple[object, ...] = (made.created_by_issuer, made.updated_by_issuer)
    numbers: tuple[object, ...] = (made.resource_version, made.generation)
    if not all(isinstance(text, str) for text in issuers):
        raise TypeError
    if not all(isinstance(n, int) and abs(n) < _NUMBER_LIMIT for n in numbers):
        raise TypeError
    if size_bytes(made) > MAX_OBJECT_BYTES:  # encodes each text, so each is one
        raise ValueError


def _secure_value(row: Row) -> SecureValue:
    return SecureValue(
        **_resource_columns(row),
        decrypters=tuple(row["decrypters"]),
        keeper=row["keeper"],
        version=row["version"],
        value_id=row["value_id"],
    )


def _keeper(row: Row) -> Keeper:
    return Keeper(
        **_resource_columns(row), active=row["active"], aws=aws_from_json(row["config"])
    )


def _moment(content: object) -> datetime:
    if not isinstance(content, datetime):
        raise TypeError
    return content


def _resource_columns(row: Row) -> dict[str, Any]:
    """What both kinds have in common."""
    return {
        "namespace": row["namespace"],
        "name": row["name"],
        "uid": row["uid"],
        "resource_version": row["resource_version"],
        "generation": row["generation"],
        "created_at": _moment(row["created_at"]),
        "created_by": row["created_by"],
        "created_by_issuer": row["created_by_issuer"],
        "updated_at": _moment(row["updated_at"]),
        "updated_by": row["updated_by"],
        "updated_by_issuer": row["updated_by_issuer"],
        "description": row["description"],
        "labels": json.loads(row["labels"]),
        "annotations": json.loads(row["annotations"]),
        "field_owners": _owners(json.loads(row["field_owners"])),
    }


def _stored_fields(stored: dict[str, Any], kind: type[Resource]) -> dict[str, Any]:
    """The known fields, those that both kinds have in common in their own types."""
    known = {field.name for field in dataclasses.fields(kind)}
    return {name: content for name, content in stored.items() if name in known} | {
        "uid": UUID(stored["uid"]),
        "created_at": datetime.fromisoformat(stored["created_at"]),
        "updated_at": datetime.fromisoformat(stored["updated_at"]),
        "field_owners": _owners(stored.get("field_owners", ())),
    }


def _owners(stored: object) -> tuple[FieldOwner, ...]:
    if not isinstance(stored, (list, tuple)):
        raise TypeError
    return tuple(
        FieldOwner(
            manager=owner["manager"],
            operation=OwnerOperation(owner["operation"]),
            api_version=owner["api_version"],
            at=datetime.fromisoformat(owner["at"]),
            fields=tuple(owner["fields"]),
        )
        for owner in stored
    )


def _aws(stored: dict[str, Any]) -> AwsKeeper:
    role = stored.get("assume_role")
    return AwsKeeper(
        region=stored.get("region", ""),
        assume_role=None if role is None else AwsAssumeRole(**role),
    )


def _text(content: object) -> str:
    """What JSON has no form for: ids, and times with their offset."""
    return content.isoformat() if isinstance(content, datetime) else str(content)


def _texts_of_spec(resource: SecureValue | Keeper) -> tuple[str, ...]:
    if isinstance(resource, SecureValue):
        return (resource.keeper, *resource.decrypters)
    role = resource.aws.assume_role or AwsAssumeRole()
    return (resource.aws.region, role.assume_role_arn, role.external_id)


def _texts_of_owner(owner: FieldOwner) -> tuple[str, ...]:
    return (owner.manager, owner.api_version, *owner.fields)
