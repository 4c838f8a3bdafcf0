"""Where the values of a namespace are kept: in the vault itself, or by a third party's keeper.

The vault is the keeper "system": it has no object, always exists, and is where new values go
while no keeper of the namespace is active.
"""

from dataclasses import dataclass, replace
from typing import ClassVar
from uuid import UUID

from chassis.errors import FailedPreconditionError
from metadata_svc.domain.field_owners import AWS, DESCRIPTION, Fields
from metadata_svc.domain.resource import (
    Kind,
    Resource,
    ResourceDraft,
    Stamp,
    at_birth,
    first,
    revised,
    taken_over,
)

SYSTEM_KEEPER = "system"
# With it, whatever is asked of all keepers of a namespace reads few rows; teams have a handful.
MAX_KEEPERS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAssumeRole:
    """The role that is assumed in the account whose secrets they are."""

    assume_role_arn: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeeper:
    """AWS Secrets Manager; in a keeper that exists all of it is set."""

    region: str = ""
    assume_role: AwsAssumeRole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper(Resource):
    """A place outside the vault; at most one of a namespace is active."""

    kind: ClassVar[Kind] = Kind.KEEPER

    active: bool
    aws: AwsKeeper

    @property
    def spec(self) -> Fields:
        """Whether it is active is no field of the spec."""
        return {DESCRIPTION: self.description, AWS: self.aws}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperDraft(ResourceDraft):
    """What a caller asks a keeper to be; nothing of it is checked yet.

    `providers` are the provider blocks that were given, by their REST names.
    """

    aws: AwsKeeper | None = None
    providers: tuple[str, ...] = ()


def keeper_for_create(active: str | None) -> str:
    """The keeper of a new secure value: the namespace's active one, else the vault itself."""
    return SYSTEM_KEEPER if active is None else active


def is_system(keeper: str) -> bool:
    """Whether it is the vault itself, which has no keeper row and always exists."""
    return keeper == SYSTEM_KEEPER


def created_keeper(draft: KeeperDraft, *, name: str, uid: UUID, stamp: Stamp) -> Keeper:
    """A keeper before it is written; not active. Raises InvalidArgumentError."""
    wanted = Keeper(
        **at_birth(draft, name=name, uid=uid, stamp=stamp),
        active=False,
        aws=draft.aws or AwsKeeper(),
    )
    return first(wanted, manager=draft.manager)


def edited_keeper(live: Keeper, draft: KeeperDraft, stamp: Stamp) -> Keeper:
    """`live` as the draft wants it, as active as it was; `live` itself when nothing differs.

    Raises InvalidArgumentError for too many owners or owned fields.
    """
    wanted = replace(live, **taken_over(draft), aws=draft.aws or AwsKeeper())
    return revised(live, wanted, manager=draft.manager, stamp=stamp)


def switched(keeper: Keeper, stamp: Stamp, *, active: bool) -> Keeper:
    """The keeper, active or not; nobody owns that, and the generation stays."""
    return replace(
        keeper,
        active=active,
        updated_at=stamp.at,
        updated_by=stamp.by.subject,
        updated_by_issuer=stamp.by.issuer,
    )


def still_in_use(name: str) -> FailedPreconditionError:
    """The keeper cannot go; only for a caller with a right on the name."""
    return FailedPreconditionError(
        f'keeper "{name}" is in use: a secure value of the namespace is kept there'
    )


def too_many_keepers() -> FailedPreconditionError:
    """The namespace is full: asking again helps nobody, deleting a keeper does."""
    return FailedPreconditionError(f"a namespace has at most {MAX_KEEPERS} keepers")
