"""What a namespace should be, as plain dictionaries: the judge of the histories."""

from dataclasses import dataclass, field, replace
from uuid import UUID

from metadata_svc.domain.partial_edit import PartialEdit
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.secure_value import Draft, PreparedWrite

Spec = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Live:
    uid: UUID
    value_id: UUID
    version: int
    generation: int
    resource_version: int
    spec: Spec
    labels: dict[str, str]


@dataclass(frozen=True)
class Pending:
    """A write between Prepare and whatever becomes of it."""

    write: PreparedWrite
    draft: Draft
    expected_version: int | None  # the resource version it wants to find; None: any
    idempotency_key: str = ""  # of a create that may be sent again


@dataclass
class Namespace:
    live: dict[str, Live] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    values: dict[UUID, str] = field(default_factory=dict)
    outcomes: dict[UUID, Live] = field(default_factory=dict)
    # By idempotency key: what was created under it, and the answer.
    sent: dict[str, tuple[Draft, Live]] = field(default_factory=dict)
    counter: int = 0

    def prepare(
        self, operation: Operation, draft: Draft, expected: int | None, key: str
    ) -> Live | str:
        """The error's name, or nothing; or what the same create made before."""
        if key in self.sent:
            return self._sent_before(key, draft)
        if operation is Operation.CREATE:
            return "AlreadyExistsError" if draft.name in self.live else ""
        return self._missing_or_stale(draft.name, expected)

    def claim(self, pending: Pending) -> Live | str:
        key, draft = pending.idempotency_key, pending.draft
        if key in self.sent:
            answer = self._sent_before(key, draft)
        else:
            answer = self._claim(pending)
            if key and isinstance(answer, Live):
                self.sent[key] = draft, answer
        # Whatever was not claimed by now never will be.
        self.refuse(pending.write.value_id)
        return answer

    def _sent_before(self, key: str, draft: Draft) -> Live | str:
        before, answer = self.sent[key]
        return answer if before == draft else "InvalidArgumentError"

    def _claim(self, pending: Pending) -> Live | str:
        value_id, name = pending.write.value_id, pending.write.name
        if value_id in self.outcomes:
            return self.outcomes[value_id]
        if value_id in self.values:
            return "ConflictError"
        before = self.live.get(name)
        error = self._claim_error(pending, before)
        if error:
            return error
        self.counter += 1
        self.versions[name] = self.versions.get(name, 0) + 1
        after = Live(
            uid=pending.write.uid,
            value_id=value_id,
            version=self.versions[name],
            generation=before.generation + 1 if before else 1,
            resource_version=self.counter,
            spec=_spec(pending.draft),
            labels=dict(pending.draft.labels),
        )
        if before:
            self.values[before.value_id] = "released"
        self.values[value_id] = "claimed"
        self.live[name] = self.outcomes[value_id] = after
        return after

    def edit_part(
        self, edit: PartialEdit, expected: int | None, *, dry_run: bool, blind: bool
    ) -> Live | str:
        error = self._missing_or_stale(edit.name, expected)
        if error:
            return error
        before = self.live[edit.name]
        description, decrypters = before.spec
        labels = {k: v for k, v in before.labels.items() if k not in edit.remove_labels}
        kept = [name for name in decrypters if name not in edit.remove_decrypters]
        added = [name for name in edit.add_decrypters if name not in decrypters]
        draft = Draft(
            namespace="",
            name=edit.name,
            description=edit.description or description,
            decrypters=(*kept, *added),
            labels=labels | dict(edit.put_labels),
        )
        return self.edit(draft, None, dry_run=dry_run, blind=blind)

    def edit(
        self, draft: Draft, expected: int | None, *, dry_run: bool, blind: bool = False
    ) -> Live | str:
        error = self._missing_or_stale(draft.name, expected)
        if error:
            return error
        before = self.live[draft.name]
        spec_differs = before.spec != _spec(draft)
        if not spec_differs and before.labels == draft.labels and not blind:
            return before
        after = replace(
            before,
            spec=_spec(draft),
            labels=dict(draft.labels),
            generation=before.generation + spec_differs,
            resource_version=before.resource_version if dry_run else self.counter + 1,
        )
        if not dry_run:
            self.counter += 1
            self.live[draft.name] = after
        return after

    def delete(self, name: str, expected: int | None) -> Live | str:
        error = self._missing_or_stale(name, expected)
        if error:
            return error
        self.counter += 1
        gone = self.live.pop(name)
        self.values[gone.value_id] = "released"
        return gone

    def refuse(self, value_id: UUID) -> str:
        return self.values.setdefault(value_id, "refused")

    def forget_outcomes(self) -> None:
        self.outcomes.clear()

    def forget_keys(self) -> None:
        self.sent.clear()

    def acknowledge(self, value_id: UUID) -> None:
        if self.values.get(value_id) == "released":
            self.values[value_id] = "erased"

    def released(self) -> list[UUID]:
        return sorted(v for v, state in self.values.items() if state == "released")

    def _missing_or_stale(self, name: str, expected: int | None) -> str:
        if name not in self.live:
            return "NotFoundError"
        fits = expected in (None, self.live[name].resource_version)
        return "" if fits else "ConflictError"

    def _claim_error(self, pending: Pending, before: Live | None) -> str:
        if pending.write.operation is Operation.CREATE:
            return "AlreadyExistsError" if before else ""
        if before and before.uid != pending.write.uid:
            return "ConflictError"
        return self._missing_or_stale(pending.write.name, pending.expected_version)


def _spec(draft: Draft) -> Spec:
    return draft.description, draft.decrypters
