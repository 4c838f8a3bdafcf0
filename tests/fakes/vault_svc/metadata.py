"""Metadata in memory: honest about what claims, refusals and releases mean to each other."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    Rule,
    UnavailableError,
)
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.fakes.vault_svc.clock import StandingClock
from vault_svc.domain.draft import Draft, Operation
from vault_svc.domain.fingerprint import Fingerprint
from vault_svc.ports.metadata import (
    SYSTEM_KEEPER,
    AlreadyWritten,
    Decision,
    Preparation,
    PreparedWrite,
    Question,
    ReleasedPage,
    ReleasedPlace,
    Resolution,
    SecureValue,
    ValueState,
    Write,
)
from vault_svc.ports.values import ValueKey

GENERATED_NAMES = ("sv-aaa", "sv-bbb", "sv-ccc", "sv-ddd")
DENIED_TOKEN = "denied"
NOTHING = SecureValue(b"")
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
MAXIMUM_NAMES = 1000


@dataclass(frozen=True, slots=True)
class Live:
    uid: str
    value_id: UUID
    version: int
    decrypters: tuple[str, ...]
    description: str


@dataclass(slots=True)
class IdRow:
    state: ValueState
    outcome: SecureValue = NOTHING
    released_at: datetime = NEVER


@dataclass
class InMemoryMetadata:
    """See ports.metadata.MetadataClient; the methods after it do what other callers do."""

    clock: StandingClock
    live: dict[tuple[str, str], Live] = field(default_factory=dict)
    ids: dict[ValueKey, IdRow] = field(default_factory=dict)
    last_versions: dict[tuple[str, str], int] = field(default_factory=dict)
    keeper: str = SYSTEM_KEEPER
    resolved: list[tuple[str, ...]] = field(default_factory=list)
    generated: int = 0
    # As the version before did, which knows no order of releases.
    lists_by_key: bool = False
    # By namespace, caller and key: the fingerprint, and what was made.
    idempotent: dict[tuple[str, str, str], tuple[Fingerprint, SecureValue]] = field(
        default_factory=dict
    )

    async def prepare(self, write: Write) -> Preparation | AlreadyWritten:
        draft = self._admitted(write)
        if (recorded := self._written_before(write)) is not None:
            return AlreadyWritten(recorded)
        name = draft.name or self._generated_name()
        current = self._checked(write.operation, write, name, uid=None)
        prepared = PreparedWrite(
            operation=write.operation,
            name=name,
            uid=current.uid if current else str(uuid4()),
            keeper=self.keeper,
            value_id=uuid4(),
        )
        preview = self._secure_value(write, prepared, version=0) if write.dry_run else None
        return Preparation(prepared, preview)

    async def claim(self, write: Write, prepared: PreparedWrite) -> SecureValue:
        self._admitted(write)
        key = ValueKey(write.namespace, prepared.value_id)
        try:
            made = self._written_before(write) or self._claim(write, prepared, key)
        finally:
            # Whatever was not claimed by now never will be.
            self.ids.setdefault(key, IdRow(ValueState.REFUSED))
        return made

    def _claim(self, write: Write, prepared: PreparedWrite, key: ValueKey) -> SecureValue:
        if key in self.ids:
            return self._recorded(key)
        draft = write.draft
        place = (write.namespace, prepared.name)
        current = self._checked(prepared.operation, write, prepared.name, uid=prepared.uid)
        version = self.last_versions.get(place, 0) + 1
        made = self._secure_value(write, prepared, version)
        if current:
            self._release(ValueKey(write.namespace, current.value_id))
        self.live[place] = Live(
            uid=prepared.uid,
            value_id=prepared.value_id,
            version=version,
            decrypters=draft.decrypters,
            description=draft.description,
        )
        if write.idempotency is not None:
            fingerprint = write.idempotency.fingerprint
            self.idempotent[_idempotency_key(write)] = fingerprint, made
        self.last_versions[place] = version
        self.ids[key] = IdRow(ValueState.CLAIMED, made)
        return made

    async def resolve(
        self, questions: Sequence[Question]
    ) -> tuple[tuple[Resolution, ...], ...]:
        if sum(len(question.names) for question in questions) > MAXIMUM_NAMES:
            raise UnavailableError("too many names")
        self.resolved += [tuple(question.names) for question in questions]
        return tuple(map(self._decisions, questions))

    async def refuse(self, keys: Sequence[ValueKey]) -> tuple[tuple[ValueKey, ValueState], ...]:
        for key in keys:
            self.ids.setdefault(key, IdRow(ValueState.REFUSED))
        return tuple((key, self.ids[key].state) for key in keys)

    async def released(self, *, after: ReleasedPlace | None, limit: int) -> ReleasedPage:
        released = [
            ReleasedPlace(row.released_at, key)
            for key, row in self.ids.items()
            if row.state is ValueState.RELEASED
        ]
        if self.lists_by_key or (after is not None and after.released_at is None):
            keys = sorted(place.key for place in released)
            page = [key for key in keys if after is None or key > after.key][:limit]
            return ReleasedPage(tuple(page), None)
        places = [place for place in sorted(released) if after is None or place > after][:limit]
        following = places[-1] if places else None
        return ReleasedPage(tuple(place.key for place in places), following)

    async def acknowledge(self, keys: Sequence[ValueKey]) -> None:
        for key in keys:
            row = self.ids.get(key)
            if row is not None and row.state is ValueState.RELEASED:
                row.state = ValueState.ERASED

    def delete(self, namespace: str, name: str) -> None:
        gone = self.live.pop((namespace, name), None)
        if gone is None:
            raise NotFoundError
        self._release(ValueKey(namespace, gone.value_id))

    def allow(self, namespace: str, name: str, *decrypters: str) -> None:
        current = self.live[namespace, name]
        self.live[namespace, name] = replace(current, decrypters=decrypters)

    def referenced(self) -> set[ValueKey]:
        return {ValueKey(place[0], live.value_id) for place, live in self.live.items()}

    def _admitted(self, write: Write) -> Draft:
        if write.token.reveal() == DENIED_TOKEN:
            raise PermissionDeniedError
        violations = []
        if not write.draft.description:
            violations.append(FieldViolation("spec.description", Rule.REQUIRED, "is required"))
        if write.draft.ref and self.keeper == SYSTEM_KEEPER:
            violations.append(FieldViolation("spec.ref", Rule.FORBIDDEN, "no reference"))
        if violations:
            raise InvalidArgumentError(violations=tuple(violations))
        return write.draft

    def _written_before(self, write: Write) -> SecureValue | None:
        if write.idempotency is None or write.dry_run:
            return None
        row = self.idempotent.get(_idempotency_key(write))
        if row is None:
            return None
        if row[0] != write.idempotency.fingerprint:
            violation = FieldViolation("Idempotency-Key", Rule.INVALID, "of another request")
            raise InvalidArgumentError(violations=(violation,))
        return row[1]

    def _checked(
        self, operation: Operation, write: Write, name: str, *, uid: str | None
    ) -> Live | None:
        current = self.live.get((write.namespace, name))
        if operation is Operation.CREATE:
            # A generated name that collides is found out by Claim alone.
            if current and (uid is not None or not write.generates_name):
                raise AlreadyExistsError
            return None
        if current is None:
            raise NotFoundError
        wanted = secure_value_pb2.Preconditions.FromString(write.preconditions)
        if (uid or current.uid) != current.uid or (wanted.uid or current.uid) != current.uid:
            raise ConflictError
        return current

    def _recorded(self, key: ValueKey) -> SecureValue:
        row = self.ids[key]
        if row.state is ValueState.REFUSED:
            raise ConflictError("the value id was refused")
        return row.outcome

    def _release(self, key: ValueKey) -> None:
        self.ids[key].state = ValueState.RELEASED
        self.ids[key].released_at = self.clock.now()

    def _decisions(self, question: Question) -> tuple[Resolution, ...]:
        if not question.service_identity.strip():
            return ()
        return tuple(self._resolution(question, name) for name in question.names)

    def _resolution(self, question: Question, name: str) -> Resolution:
        current = self.live.get((question.namespace, name))
        if current is None:
            return Resolution(Decision.NOT_FOUND)
        if question.service_identity not in current.decrypters:
            return Resolution(Decision.NOT_AUTHORIZED)
        return Resolution(Decision.ALLOWED, self.keeper, current.value_id, current.version)

    def _generated_name(self) -> str:
        self.generated += 1
        return GENERATED_NAMES[(self.generated - 1) % len(GENERATED_NAMES)]

    def _secure_value(self, write: Write, prepared: PreparedWrite, version: int) -> SecureValue:
        draft = write.draft
        made = secure_value_pb2.SecureValue(
            namespace=write.namespace,
            name=prepared.name,
            uid=prepared.uid,
            description=draft.description,
            decrypters=draft.decrypters,
            keeper=prepared.keeper,
            version=version,
        )
        return SecureValue(made.SerializeToString())


def _idempotency_key(write: Write) -> tuple[str, str, str]:
    assert write.idempotency is not None
    return write.namespace, _subject(write.token.reveal()), write.idempotency.key


def _subject(token: str) -> str:
    """Whose token it is: a real one says so, any other stands for its caller."""
    if token.count(".") != 2:
        return token
    payload = token.split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["sub"])
