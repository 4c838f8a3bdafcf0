"""The secure value: what is known about it, and what each kind of write makes of it.

- A secure value has one uid from create to delete; a re-created name has another.
- `version` counts values and never goes back, `generation` grows with the spec, and
  `resource_version` grows with every write of the namespace.
- Nothing here reads a clock, draws a random number or speaks to anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis.errors import AlreadyExistsError, ConflictError, KnownError, NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureValue:
    """A named secret resource of a namespace; its bytes are elsewhere, under `value_id`."""

    namespace: str
    name: str
    uid: UUID
    resource_version: int
    generation: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    description: str
    decrypters: tuple[str, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    keeper: str
    version: int
    value_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerReference:
    """The object of another API that a secure value belongs to."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a caller asks a secure value to be; nothing of it is checked yet."""

    namespace: str
    name: str = ""
    generate_name: str = ""
    description: str = ""
    decrypters: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ref: str = ""
    owner_references: tuple[OwnerReference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preconditions:
    """What the caller last saw; None and the empty string are not checked."""

    uid: str | None = None
    resource_version: str | None = None


class Operation(StrEnum):
    """What a write with a value does."""

    CREATE = "create"
    UPDATE = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedWrite:
    """What Prepare decided and Claim is given back."""

    operation: Operation
    name: str
    uid: UUID
    keeper: str
    value_id: UUID


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes, and when."""

    by: str
    at: datetime


def not_found(name: str) -> NotFoundError:
    """There is no such secure value; only for a caller with a right on the name."""
    return NotFoundError(f'securevalue.secret.grafana.app "{name}" not found')


def already_exists(name: str) -> AlreadyExistsError:
    """The name is taken; only for a caller with a right on the name."""
    quoted = f'securevalues.secret.grafana.app "{name}" already exists'
    return AlreadyExistsError(f"secure value already exists: {quoted}")


def check_preconditions(live: SecureValue, preconditions: Preconditions) -> None:
    """Raise ConflictError unless the caller last saw `live` as it is."""
    if preconditions.uid and preconditions.uid != str(live.uid):
        raise ConflictError
    expected = preconditions.resource_version
    if expected and expected != str(live.resource_version):
        raise ConflictError


def require_free(live: SecureValue | None, name: str) -> None:
    """Raise AlreadyExistsError if a create of this name finds a live one."""
    if live is not None:
        raise already_exists(name)


def require_live(
    live: SecureValue | None, name: str, preconditions: Preconditions
) -> SecureValue:
    """The live secure value as the caller last saw it.

    Raises NotFoundError without one and ConflictError when a precondition does not hold.
    """
    if live is None:
        raise not_found(name)
    check_preconditions(live, preconditions)
    return live


def superseded_by(
    prepared: PreparedWrite, live: SecureValue | None, preconditions: Preconditions
) -> SecureValue | None:
    """The secure value that a prepared write replaces: None for a create.

    Raises AlreadyExistsError (create, the name is taken), NotFoundError (update, nothing
    there) and ConflictError (update; re-created, changed or moved to another keeper since).
    """
    if prepared.operation is Operation.CREATE:
        require_free(live, prepared.name)
        return None
    found = require_live(live, prepared.name, preconditions)
    if found.uid != prepared.uid or found.keeper != prepared.keeper:
        raise ConflictError
    return found


def created(
    prepared: PreparedWrite, draft: Draft, *, version: int, resource_version: int, stamp: Stamp
) -> SecureValue:
    """The first state of a secure value."""
    return SecureValue(
        namespace=draft.namespace,
        name=prepared.name,
        uid=prepared.uid,
        resource_version=resource_version,
        generation=1,
        created_at=stamp.at,
        created_by=stamp.by,
        updated_at=stamp.at,
        updated_by=stamp.by,
        description=draft.description,
        decrypters=draft.decrypters,
        labels=dict(draft.labels),
        annotations=dict(draft.annotations),
        keeper=prepared.keeper,
        version=version,
        value_id=prepared.value_id,
    )


def with_value(
    live: SecureValue, draft: Draft, *, value_id: UUID, version: int, stamp: Stamp
) -> SecureValue:
    """`live` as the draft wants it, pointing to another value; a value is part of the spec."""
    edit = edited(live, draft, stamp)
    return replace(
        edit,
        value_id=value_id,
        version=version,
        generation=live.generation + 1,
        updated_at=stamp.at,
        updated_by=stamp.by,
    )


def edited(live: SecureValue, draft: Draft, stamp: Stamp) -> SecureValue:
    """`live` as the draft wants it, its value kept; `live` itself when nothing differs.

    Labels and annotations are not spec: they leave the generation as it is.
    """
    spec_differs = (draft.description, draft.decrypters) != (live.description, live.decrypters)
    meta_differs = (draft.labels, draft.annotations) != (live.labels, live.annotations)
    if not spec_differs and not meta_differs:
        return live
    return replace(
        live,
        description=draft.description,
        decrypters=draft.decrypters,
        labels=dict(draft.labels),
        annotations=dict(draft.annotations),
        generation=live.generation + int(spec_differs),
        updated_at=stamp.at,
        updated_by=stamp.by,
    )


def recorded_for(outcome: SecureValue, prepared: PreparedWrite) -> bool:
    """Whether a recorded outcome is that of this very write."""
    return (outcome.name, outcome.uid) == (prepared.name, prepared.uid)


def stale_claim() -> KnownError:
    """The claim moves nothing: the id was refused, or its outcome is forgotten by now."""
    return ConflictError("the write took too long; please read what is there and try again")
