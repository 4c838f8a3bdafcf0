"""What both kinds have in common: what is known about an object, and what a write makes of it.

- An object has one uid from create to delete; a re-created name has another.
- `generation` grows with the spec, `resource_version` with every write of the namespace.
- A write that changes neither a field nor its owners is none.
- Nothing here reads a clock, draws a random number or speaks to anything.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from chassis.caller import Principal
from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from metadata_svc.domain.field_owners import (
    FieldChanges,
    FieldManager,
    FieldOwner,
    Fields,
    annotation_path,
    changes_between,
    label_path,
    owners_after,
)

GROUP = "secret.grafana.app"
_NOTHING_REWRITTEN: frozenset[str] = frozenset()


class Kind(StrEnum):
    """Which kind of object, by the name it has on the wire."""

    SECURE_VALUE = "SecureValue"
    KEEPER = "Keeper"

    @property
    def singular(self) -> str:
        """As messages about one object name it."""
        return self.value.lower()

    @property
    def plural(self) -> str:
        """As addresses name it."""
        return f"{self.singular}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource(ABC):
    """An object of a namespace, of one kind or another."""

    kind: ClassVar[Kind]

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
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    field_owners: tuple[FieldOwner, ...] = ()
    # Of the two subjects above; empty if a release wrote them that did not record issuers.
    created_by_issuer: str = ""
    updated_by_issuer: str = ""

    @property
    @abstractmethod
    def spec(self) -> Fields:
        """The fields of the spec that are set, and their contents."""

    @property
    def fields(self) -> Fields:
        """Every field that can be owned, and its content."""
        return {
            **self.spec,
            **{label_path(key): text for key, text in self.labels.items()},
            **{annotation_path(key): text for key, text in self.annotations.items()},
        }


ResourceT = TypeVar("ResourceT", bound=Resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerReference:
    """The object of another API that an object belongs to."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDraft:
    """What a caller asks an object of either kind to be; nothing of it is checked yet."""

    namespace: str
    name: str = ""
    generate_name: str = ""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()
    manager: FieldManager = field(default_factory=FieldManager)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preconditions:
    """What the caller last saw; None and the empty string are not checked."""

    uid: str | None = None
    resource_version: str | None = None


class Operation(StrEnum):
    """What a write of a whole object does."""

    CREATE = "create"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who writes, and when.

    `blind`: who may not read the object. Whether anything changed must not be told to such a
    writer, so each write is one, and none fails by what the object has.
    """

    by: Principal
    at: datetime
    blind: bool = False


class DamagedObjectError(UnavailableError):
    """What the database holds of the object is not what its kind needs. Deleting it works."""

    def __init__(self, kind: Kind, name: str) -> None:
        super().__init__(
            f'{kind.singular}.{GROUP} "{name}" is damaged in the database and cannot be read; '
            "it can be deleted"
        )


def not_found(kind: Kind, name: str) -> NotFoundError:
    """There is no such object; only for a caller with a right on the name."""
    return NotFoundError(f'{kind.singular}.{GROUP} "{name}" not found')


def already_exists(kind: Kind, name: str) -> AlreadyExistsError:
    """The name is taken; only for a caller with a right on the name."""
    quoted = f'{kind.plural}.{GROUP} "{name}" already exists'
    # Grafana's own pages look for these words to show the error beside the name.
    prefix = "secure value already exists: " if kind is Kind.SECURE_VALUE else ""
    return AlreadyExistsError(prefix + quoted)


def check_preconditions(live: Resource, preconditions: Preconditions) -> None:
    """Raise ConflictError unless the caller last saw `live` as it is."""
    if preconditions.uid and preconditions.uid != str(live.uid):
        raise ConflictError
    expected = preconditions.resource_version
    if expected and expected != str(live.resource_version):
        raise ConflictError


def require_free(live: Resource | None, *, kind: Kind, name: str) -> None:
    """Raise AlreadyExistsError if a create of this name finds a live one."""
    if live is not None:
        raise already_exists(kind, name)


def require_live(
    live: ResourceT | None, preconditions: Preconditions, *, kind: Kind, name: str
) -> ResourceT:
    """The live object as the caller last saw it.

    Raises NotFoundError without one and ConflictError when a precondition does not hold.
    """
    if live is None:
        raise not_found(kind, name)
    check_preconditions(live, preconditions)
    return live


def at_birth(draft: ResourceDraft, *, name: str, uid: UUID, stamp: Stamp) -> dict[str, Any]:
    """What is known of a new object of either kind before it is written: it has no number."""
    return {
        "namespace": draft.namespace,
        "name": name,
        "uid": uid,
        "resource_version": 0,
        "generation": 1,
        "created_at": stamp.at,
        "created_by": stamp.by.subject,
        "created_by_issuer": stamp.by.issuer,
        "updated_at": stamp.at,
        "updated_by": stamp.by.subject,
        "updated_by_issuer": stamp.by.issuer,
        **taken_over(draft),
    }


def taken_over(draft: ResourceDraft) -> dict[str, Any]:
    """What an object of either kind takes over from a draft as it is."""
    return {
        "description": draft.description,
        "labels": dict(draft.labels),
        "annotations": dict(draft.annotations),
    }


def first(
    wanted: ResourceT,
    *,
    manager: FieldManager,
    rewritten: frozenset[str] = _NOTHING_REWRITTEN,
) -> ResourceT:
    """A new object, whose fields are owned by who makes it.

    Raises InvalidArgumentError if it owns too many.
    """
    changes = changes_between({}, wanted.fields, rewritten=rewritten)
    owners = owners_after((), changes, manager=manager, at=wanted.created_at)
    return replace(wanted, field_owners=owners)


def revised(
    live: ResourceT,
    wanted: ResourceT,
    *,
    manager: FieldManager,
    stamp: Stamp,
    rewritten: frozenset[str] = _NOTHING_REWRITTEN,
) -> ResourceT:
    """`wanted` as the state that follows `live`.

    `live` itself when nothing differs, unless the writer is blind. Labels and annotations are
    not spec: they leave the generation as it is.

    Raises InvalidArgumentError for too many owners or owned fields, unless the writer is blind.
    """
    changes = changes_between(live.fields, wanted.fields, rewritten=rewritten)
    owners = _owners_after(live, changes, manager, stamp)
    if not changes.any and owners == live.field_owners and not stamp.blind:
        return live
    return replace(
        wanted,
        field_owners=owners,
        generation=live.generation + int(changes.in_spec),
        updated_at=stamp.at,
        updated_by=stamp.by.subject,
        updated_by_issuer=stamp.by.issuer,
    )


def _owners_after(
    live: Resource, changes: FieldChanges, manager: FieldManager, stamp: Stamp
) -> tuple[FieldOwner, ...]:
    """Who owns what; a blind writer for whom there is no room is not recorded."""
    try:
        return owners_after(live.field_owners, changes, manager=manager, at=stamp.at)
    except InvalidArgumentError:
        if not stamp.blind:
            raise
    return owners_after(live.field_owners, changes, manager=FieldManager(), at=stamp.at)
