"""Rows and stored objects to secure values, and back."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from metadata_svc.domain.secure_value import SecureValue

_FIXED_SIZE_BYTES = 256  # ids, numbers and times, about
_ITEM_OVERHEAD_BYTES = 8  # tags and lengths of one map entry or list item, about


def secure_value_from_row(row: asyncpg.Record) -> SecureValue:
    """The secure value of a row that has all of its columns."""
    return SecureValue(
        namespace=row["namespace"],
        name=row["name"],
        uid=row["uid"],
        resource_version=row["resource_version"],
        generation=row["generation"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        updated_at=row["updated_at"],
        updated_by=row["updated_by"],
        description=row["description"],
        decrypters=tuple(row["decrypters"]),
        labels=json.loads(row["labels"]),
        annotations=json.loads(row["annotations"]),
        keeper=row["keeper"],
        version=row["version"],
        value_id=row["value_id"],
    )


def secure_value_to_json(secure_value: SecureValue) -> str:
    """The object as outcomes and changes keep it."""
    stored = {
        "namespace": secure_value.namespace,
        "name": secure_value.name,
        "uid": str(secure_value.uid),
        "resource_version": secure_value.resource_version,
        "generation": secure_value.generation,
        "created_at": secure_value.created_at.isoformat(),
        "created_by": secure_value.created_by,
        "updated_at": secure_value.updated_at.isoformat(),
        "updated_by": secure_value.updated_by,
        "description": secure_value.description,
        "decrypters": secure_value.decrypters,
        "labels": secure_value.labels,
        "annotations": secure_value.annotations,
        "keeper": secure_value.keeper,
        "version": secure_value.version,
        "value_id": str(secure_value.value_id),
    }
    return json.dumps(stored)


def secure_value_from_json(text: str) -> SecureValue:
    """The secure value of a stored object."""
    stored: dict[str, Any] = json.loads(text)
    return SecureValue(
        **stored
        | {
            "uid": UUID(stored["uid"]),
            "created_at": datetime.fromisoformat(stored["created_at"]),
            "updated_at": datetime.fromisoformat(stored["updated_at"]),
            "decrypters": tuple(stored["decrypters"]),
            "value_id": UUID(stored["value_id"]),
        }
    )


def map_to_json(texts: Mapping[str, str]) -> str:
    """Labels or annotations as their column keeps them."""
    return json.dumps(dict(texts))


def size_bytes(secure_value: SecureValue) -> int:
    """About what it weighs in an answer."""
    maps = (secure_value.labels, secure_value.annotations)
    texts = [
        secure_value.namespace,
        secure_value.name,
        secure_value.description,
        secure_value.created_by,
        secure_value.updated_by,
        secure_value.keeper,
        *secure_value.decrypters,
        *(text for pairs in maps for pair in pairs.items() for text in pair),
    ]
    return _FIXED_SIZE_BYTES + sum(len(text.encode()) + _ITEM_OVERHEAD_BYTES for text in texts)
