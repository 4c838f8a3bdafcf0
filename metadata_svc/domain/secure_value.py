"""The secure value: what is known about it, and what each kind of write makes of it.

`version` counts values and never goes back; everything else it has in common with other kinds.
"""

from dataclasses import dataclass, replace
from typing import ClassVar
from uuid import UUID

from chassis.caller import Principal
from chassis.errors import ConflictError, KnownError
from metadata_svc.domain.field_owners import DECRYPTERS, DESCRIPTION, VALUE, Fields
from metadata_svc.domain.resource import (
    Kind,
    Operation,
    Preconditions,
    Resource,
    ResourceDraft,
    Stamp,
    at_birth,
    first,
    require_free,
    require_live,
    revised,
    taken_over,
)

_A_VALUE = frozenset({VALUE})


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureValue(Resource):
    """A named secret resource of a namespace; its bytes are elsewhere, under `value_id`."""

    kind: ClassVar[Kind] = Kind.SECURE_VALUE

    decrypters: tuple[str, ...]
    keeper: str
    version: int
    value_id: UUID

    @property
    def spec(self) -> Fields:
        """An empty allow-list is not set. The value is elsewhere, and no content of this."""
        allowed = {DECRYPTERS: self.decrypters} if self.decrypters else {}
        return {DESCRIPTION: self.description, **allowed}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(ResourceDraft):
    """What a caller asks a secure value to be; nothing of it is checked yet."""

    decrypters: tuple[str, ...] = ()
    ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedWrite:
    """What Prepare decided and Claim is given back."""

    operation: Operation
    name: str
    uid: UUID
    keeper: str
    value_id: UUID


def superseded_by(
    prepared: PreparedWrite, live: SecureValue | None, preconditions: Preconditions
) -> SecureValue | None:
    """The secure value that a prepared write replaces: None for a create.

    Raises AlreadyExistsError (create, the name is taken), NotFoundError (update, nothing
    there) and ConflictError (update; re-created, changed or moved to another keeper since).
    """
    if prepared.operation is Operation.CREATE:
        require_free(live, kind=Kind.SECURE_VALUE, name=prepared.name)
        return None
    found = require_live(live, preconditions, kind=Kind.SECURE_VALUE, name=prepared.name)
    if found.uid != prepared.uid or found.keeper != prepared.keeper:
        raise ConflictError
    return found


def created(
    prepared: PreparedWrite, draft: Draft, *, version: int, stamp: Stamp
) -> SecureValue:
    """A secure value before it is written. Raises InvalidArgumentError for too many fields."""
    wanted = SecureValue(
        **at_birth(draft, name=prepared.name, uid=prepared.uid, stamp=stamp),
        decrypters=draft.decrypters,
        keeper=prepared.keeper,
        version=version,
        value_id=prepared.value_id,
    )
    return first(wanted, manager=draft.manager, rewritten=_A_VALUE)


def with_value(
    live: SecureValue, draft: Draft, *, value_id: UUID, version: int, stamp: Stamp
) -> SecureValue:
    """`live` as the draft wants it, pointing to another value; a value is part of the spec.

    Raises InvalidArgumentError for too many owners or owned fields.
    """
    wanted = replace(_drafted(live, draft), value_id=value_id, version=version)
    return revised(live, wanted, manager=draft.manager, stamp=stamp, rewritten=_A_VALUE)


def edited(live: SecureValue, draft: Draft, stamp: Stamp) -> SecureValue:
    """`live` as the draft wants it, its value kept; `live` itself when nothing differs.

    Raises InvalidArgumentError for too many owners or owned fields.
    """
    return revised(live, _drafted(live, draft), manager=draft.manager, stamp=stamp)


def _drafted(live: SecureValue, draft: Draft) -> SecureValue:
    return replace(live, **taken_over(draft), decrypters=draft.decrypters)


def recorded_for(outcome: SecureValue, prepared: PreparedWrite, by: Principal) -> bool:
    """Whether a recorded outcome is that of this very write, of this very caller.

    An outcome of a release that did not record issuers is its subject's.
    """
    issuer = outcome.updated_by_issuer or by.issuer
    return (outcome.name, outcome.uid, outcome.updated_by, issuer) == (
        prepared.name,
        prepared.uid,
        by.subject,
        by.issuer,
    )


def stale_claim() -> KnownError:
    """The claim moves nothing: the id was refused, or its outcome is forgotten by now."""
    return ConflictError("the write took too long; please read what is there and try again")
