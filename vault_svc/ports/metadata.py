"""What the vault asks of metadata, in the vault's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import NamedTuple, NewType, Protocol
from uuid import UUID

from chassis.sensitive import Sensitive
from vault_svc.domain.draft import Draft, Operation
from vault_svc.domain.fingerprint import Fingerprint
from vault_svc.ports.values import ValueKey

SYSTEM_KEEPER = "system"

# Messages of metadata's own that pass through here unread, serialised.
Preconditions = NewType("Preconditions", bytes)
SecureValue = NewType("SecureValue", bytes)


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What makes a create happen once, however often its caller sends it within a day."""

    key: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Write:
    """What a caller wants written, but for the value itself."""

    operation: Operation
    draft: Draft
    preconditions: Preconditions
    dry_run: bool
    token: Sensitive[str]
    idempotency: Idempotency | None = None

    @property
    def namespace(self) -> str:
        """Where it is to be written."""
        return self.draft.namespace

    @property
    def generates_name(self) -> bool:
        """Whether metadata is to choose the name."""
        return self.operation is Operation.CREATE and not self.draft.name


@dataclass(frozen=True, slots=True)
class PreparedWrite:
    """What metadata decided about a write, given back unchanged to claim it."""

    operation: Operation
    name: str
    uid: str
    keeper: str
    value_id: UUID


@dataclass(frozen=True, slots=True)
class Preparation:
    """The answer to Prepare: the write may happen."""

    prepared: PreparedWrite
    preview: SecureValue | None  # what the write would make, for a dry run


@dataclass(frozen=True, slots=True)
class AlreadyWritten:
    """The answer to Prepare for a request that was sent before: what it made then."""

    secure_value: SecureValue


class Decision(Enum):
    """What metadata says of one name and one service identity."""

    ALLOWED = "allowed"
    NOT_FOUND = "not found"
    NOT_AUTHORIZED = "not authorized"


class Question(NamedTuple):
    """Which of these names a service identity, verified here, may decrypt."""

    namespace: str
    names: Sequence[str]
    service_identity: str


class Resolution(NamedTuple):
    """The decision for one name and, if allowed, where its value is."""

    decision: Decision
    keeper: str = ""
    value_id: UUID | None = None
    version: int = 0


class ValueState(StrEnum):
    """What metadata says of a value id."""

    CLAIMED = "claimed"
    RELEASED = "released"
    REFUSED = "refused"
    ERASED = "erased"


class ReleasedPlace(NamedTuple):
    """A place in the list of released ids: after the id that was released at this time."""

    released_at: datetime | None  # None from a metadata that lists them by key alone
    key: ValueKey


class ReleasedPage(NamedTuple):
    """Part of the list of released ids."""

    keys: tuple[ValueKey, ...]
    # Where the list goes on; None from a metadata that lists them by key alone.
    next: ReleasedPlace | None


class MetadataClient(Protocol):
    """Metadata as the vault sees it. Suite: tests/contracts/vault_svc/metadata_client.py.

    `prepare` and `claim` raise whatever KnownError metadata answers the caller with. The others
    are the vault's own questions, and every failure of theirs is UnavailableError.
    """

    async def prepare(self, write: Write) -> Preparation | AlreadyWritten:
        """Whether the write may happen, and as what. Nothing has happened by this."""
        ...

    async def claim(self, write: Write, prepared: PreparedWrite) -> SecureValue:
        """The write has happened, once, however often this is asked; what it made.

        If the same request was claimed first under another value id, what that one made.
        After UnavailableError and DeadlineExceededError it may have happened; after any other
        error this Claim has not. After AlreadyExistsError, ConflictError, NotFoundError and
        FailedPreconditionError no Claim of the id happens any more, nor one still on its way.
        """
        ...

    async def resolve(
        self, questions: Sequence[Question]
    ) -> tuple[tuple[Resolution, ...], ...]:
        """For each question, in order, a decision for each of its names, in order.

        All are decided by one statement that begins after this is called; each on its own. One
        that itself breaks a rule is answered by no decisions. At most 1000 names in all.
        """
        ...

    async def refuse(self, keys: Sequence[ValueKey]) -> tuple[tuple[ValueKey, ValueState], ...]:
        """The final state of each id; one that was unknown can from now on never be claimed."""
        ...

    async def released(self, *, after: ReleasedPlace | None, limit: int) -> ReleasedPage:
        """A page of the ids that nothing points to any more, not yet acknowledged.

        In the order of their release, the oldest first; in the order of keys if `after` has no
        time or metadata is of an earlier version.
        """
        ...

    async def acknowledge(self, keys: Sequence[ValueKey]) -> None:
        """Those of these ids that were released are known to be erased."""
        ...
