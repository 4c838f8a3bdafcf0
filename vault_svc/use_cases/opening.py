"""Reading and opening the values that metadata allows, name by name.

- The rows of all names are read by one statement; nothing is awaited per name.
- An id that was erased between the decision and the read is decided again. If metadata then
  still says the same id, the value was missing while it was live: that is a loss, not a race.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from chassis.errors import InvalidArgumentError, UnavailableError
from chassis.sensitive import Sensitive
from vault_svc.domain.envelope import OVERHEAD_BYTES, EnvelopeError, ValueContext
from vault_svc.domain.sealing import DataKey, open_value
from vault_svc.ports.decisions import Answer
from vault_svc.ports.keks import KekError
from vault_svc.ports.metadata import SYSTEM_KEEPER, Decision, MetadataClient, Resolution
from vault_svc.ports.values import SealedValueStore, StoredValue
from vault_svc.use_cases.data_keys import DataKeys

RESOLVE_ROUNDS = 8


class Form(Enum):
    """What the answer can carry."""

    BYTES = "bytes"
    TEXT = "text"  # valid UTF-8 only


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one name; the value only if it was granted. The reason is for the log."""

    name: str
    answer: Answer
    reason: str = ""
    value: Sensitive[bytes] | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, where, and what the answer can hold."""

    namespace: str
    service_identity: str
    form: Form
    room_bytes: int  # for all values together


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens values for a service identity whose right to ask is established."""

    metadata: MetadataClient
    values: SealedValueStore
    data_keys: DataKeys

    async def outcomes(self, asking: Asking, names: list[str]) -> dict[str, Outcome]:
        """An outcome for each name.

        Raises InvalidArgumentError if the values have no room, UnavailableError.
        """
        outcomes: dict[str, Outcome] = {}
        missed: dict[str, UUID] = {}
        for _ in range(RESOLVE_ROUNDS):
            resolutions = await self.metadata.resolve(
                asking.namespace, list(missed) or names, asking.service_identity
            )
            readable = {}
            for resolution in resolutions:
                decided = _decided(resolution, missed.get(resolution.name))
                if decided is None:
                    readable[resolution.name] = resolution
                else:
                    outcomes[resolution.name] = decided
            opened = await self._open_all(asking, readable) if readable else {}
            outcomes |= opened
            missed = {
                name: resolution.value_id
                for name, resolution in readable.items()
                if name not in opened and resolution.value_id is not None
            }
            if not missed:
                return outcomes
        raise UnavailableError("the values changed faster than they could be read")

    async def _open_all(
        self, asking: Asking, readable: dict[str, Resolution]
    ) -> dict[str, Outcome]:
        """An outcome for each name whose value is there."""
        room_bytes = asking.room_bytes + OVERHEAD_BYTES * len(readable)
        ids = [r.value_id for r in readable.values() if r.value_id is not None]
        stored = await self.values.read(asking.namespace, ids, maximum_bytes=room_bytes)
        if stored.total_bytes > room_bytes:
            raise InvalidArgumentError(
                "the values would not fit into one message; ask for fewer names"
            )
        keys = await self._unwrapped(stored.values)
        rows = {row.value_id: row for row in stored.values}
        return {
            name: _opened(asking, resolution, rows[resolution.value_id], keys)
            for name, resolution in readable.items()
            if resolution.value_id in rows
        }

    async def _unwrapped(self, rows: Iterable[StoredValue]) -> dict[UUID, DataKey]:
        """The data keys that the rows lie under, but for those that do not open or unwrap."""
        keys: dict[UUID, DataKey] = {}
        for data_key_id, wrapped in {r.data_key.data_key_id: r.data_key for r in rows}.items():
            if wrapped.opens:
                try:
                    keys[data_key_id] = await self.data_keys.unwrapped(wrapped)
                except KekError:
                    continue
        return keys


def _decided(resolution: Resolution, missed: UUID | None) -> Outcome | None:
    """The outcome, where it does not take a look at the value."""
    name = resolution.name
    if resolution.decision is Decision.NOT_FOUND:
        return Outcome(name, Answer.NOT_FOUND, "there is no such secure value")
    if resolution.decision is Decision.NOT_AUTHORIZED:
        return Outcome(name, Answer.NOT_AUTHORIZED, "the identity is not on the allow-list")
    if resolution.keeper != SYSTEM_KEEPER or resolution.value_id is None:
        return _failed(resolution, "the value is at a keeper that is not served")
    if resolution.value_id == missed:
        return _failed(resolution, "the value is missing")
    return None


def _opened(
    asking: Asking,
    resolution: Resolution,
    row: StoredValue,
    keys: dict[UUID, DataKey],
) -> Outcome:
    key = keys.get(row.data_key.data_key_id)
    if not row.data_key.opens:
        return _failed(resolution, f"the data key is {row.data_key.state}")
    if key is None:
        return _failed(resolution, "the data key does not unwrap")
    context = ValueContext(asking.namespace, resolution.name, row.value_id)
    try:
        value = open_value(row.sealed, context, key)
    except EnvelopeError as error:
        return _failed(resolution, f"the value does not open: {error}")
    if asking.form is Form.TEXT and not _is_text(value):
        return _failed(resolution, "the value is not UTF-8")
    return Outcome(resolution.name, Answer.GRANTED, "", value, resolution.version)


def _failed(resolution: Resolution, reason: str) -> Outcome:
    return Outcome(
        resolution.name, Answer.DECRYPTION_FAILED, reason, version=resolution.version
    )


def _is_text(value: Sensitive[bytes]) -> bool:
    try:
        value.reveal().decode()
    except UnicodeDecodeError:
        return False
    return True
