"""What the fake stores remember: plain dictionaries, copied for each transaction."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from metadata_svc.domain.idempotency import Fingerprint, IdempotencyKey
from metadata_svc.domain.keeper import Keeper
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.value_id import ValueKey, ValueState
from metadata_svc.ports.history import Change

Address = tuple[str, str]


@dataclass(frozen=True)
class ValueRow:
    state: ValueState
    decided_at: datetime
    outcome: SecureValue | None = None
    released_at: datetime | None = None


@dataclass(frozen=True)
class IdempotencyRow:
    fingerprint: Fingerprint
    taken_at: datetime
    outcome: SecureValue | Keeper | None = None


@dataclass
class Tables:
    live: dict[Address, SecureValue] = field(default_factory=dict)
    last_versions: dict[Address, int] = field(default_factory=dict)
    value_ids: dict[ValueKey, ValueRow] = field(default_factory=dict)
    keepers: dict[Address, Keeper] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    changes: list[tuple[datetime, Change]] = field(default_factory=list)
    idempotency: dict[IdempotencyKey, IdempotencyRow] = field(default_factory=dict)

    def copy(self) -> "Tables":
        """A copy whose rows, which never change, are the same."""
        return replace(
            self,
            live=dict(self.live),
            last_versions=dict(self.last_versions),
            value_ids=dict(self.value_ids),
            keepers=dict(self.keepers),
            counters=dict(self.counters),
            changes=list(self.changes),
            idempotency=dict(self.idempotency),
        )
