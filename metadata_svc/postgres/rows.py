"""Rows and stored objects to secure values and keepers, and back.

A stored object is what outcomes and changes keep. One that an older version stored lacks newer
fields, which then have their defaults; what a newer version added is passed over.
"""

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from metadata_svc.domain.field_owners import FieldOwner, OwnerOperation
from metadata_svc.domain.keeper import AwsAssumeRole, AwsKeeper, Keeper
from metadata_svc.domain.resource import Resource
from metadata_svc.domain.secure_value import SecureValue

AWS_TYPE = "aws"
_FIXED_SIZE_BYTES = 256  # ids, numbers and times, about
_ITEM_OVERHEAD_BYTES = 8  # tags and lengths of one map entry or list item, about


def secure_value_from_row(row: asyncpg.Record) -> SecureValue:
    """The secure value of a row that has all of its columns."""
    return SecureValue(
        **_resource_columns(row),
        decrypters=tuple(row["decrypters"]),
        keeper=row["keeper"],
        version=row["version"],
        value_id=row["value_id"],
    )


def keeper_from_row(row: asyncpg.Record) -> Keeper:
    """The keeper of a row that has all of its columns."""
    return Keeper(
        **_resource_columns(row), active=row["active"], aws=aws_from_json(row["config"])
    )


def secure_value_from_json(text: str) -> SecureValue:
    """The secure value of a stored object."""
    stored = json.loads(text)
    return SecureValue(
        **_stored_fields(stored, SecureValue)
        | {
            "decrypters": tuple(stored["decrypters"]),
            "value_id": UUID(stored["value_id"]),
        }
    )


def keeper_from_json(text: str) -> Keeper:
    """The keeper of a stored object."""
    stored = json.loads(text)
    return Keeper(**_stored_fields(stored, Keeper) | {"aws": _aws(stored["aws"])})


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


def _resource_columns(row: asyncpg.Record) -> dict[str, Any]:
    """What both kinds have in common."""
    return {
        "namespace": row["namespace"],
        "name": row["name"],
        "uid": row["uid"],
        "resource_version": row["resource_version"],
        "generation": row["generation"],
        "created_at": row["created_at"],
        "created_by": row["created_by"],
        "created_by_issuer": row["created_by_issuer"],
        "updated_at": row["updated_at"],
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


def _owners(stored: list[dict[str, Any]]) -> tuple[FieldOwner, ...]:
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
