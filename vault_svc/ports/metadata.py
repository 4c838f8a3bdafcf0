"""What the vault asks of metadata, in the vault's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NewType, Protocol
from uuid import UUID

from chassis.sensitive import Sensitive
from vault_svc.ports.values import ValueKey

SYSTEM_KEEPER = "system"

# Messages of metadata's own that pass through here unread, serialised.
Draft = NewType("Draft", bytes)
Preconditions = NewType("Preconditions", bytes)
SecureValue = NewType("SecureValue", bytes)


class Operation(Enum):
    """What a write is."""

    CREATE = "create"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Write:
    """What a caller wants written, but for the value itself."""

    operation: Operation
    namespace: str
    generates_name: bool
    draft: Draft
    preconditions: Preconditions
    dry_run: bool
    token: Sensitive[str]


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
    """The answer to Prepare."""

    prepared: PreparedWrite
    preview: SecureValue | None  # what the write would make, for a dry run


class Decision(Enum):
    """What metadata says of one name and one service identity."""

    ALLOWED = "allowed"
    NOT_FOUND = "not found"
    NOT_AUTHORIZED = "not authorized"


@dataclass(frozen=True, slots=True)
class Resolution:
    """The decision for one name and, if allowed, where its value is."""

    name: str
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


class MetadataClient(Protocol):
    """Metadata as the vault sees it. Suite: tests/contracts/vault_svc/metadata_client.py.

    `prepare` and `claim` raise whatever KnownError metadata answers the caller with. The others
    are the vault's own questions, and every failure of theirs is UnavailableError.
    """

    async def prepare(self, write: Write) -> Preparation:
        """Whether the write may happen, and as what. Nothing has happened."""
        ...

    async def claim(self, write: Write, prepared: PreparedWrite) -> SecureValue:
        """The write has happened, once, however often this is asked; what it made.

        After UnavailableError and DeadlineExceededError it may have happened; after any other
        error it has not.
        """
        ...

    async def resolve(
        self, namespace: str, names: Sequence[str], service_identity: str
    ) -> tuple[Resolution, ...]:
        """A decision for each name, in the order asked."""
        ...

    async def refuse(self, keys: Sequence[ValueKey]) -> tuple[tuple[ValueKey, ValueState], ...]:
        """The final state of each id; one that was unknown can from now on never be claimed."""
        ...

    async def released(
        self, *, minimum_age_seconds: float, after: ValueKey | None, limit: int
    ) -> tuple[ValueKey, ...]:
        """A page, in order, of the ids that nothing points to any more, not yet erased."""
        ...

    async def acknowledge(self, keys: Sequence[ValueKey]) -> None:
        """Those of these ids that were released are known to be erased."""
        ...
