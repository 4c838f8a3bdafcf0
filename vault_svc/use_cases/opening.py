"""Opening the values that metadata allows, name by name.

- The rows of all names are read by one statement; nothing is awaited per name.
- An id that was erased between the decision and the read is decided again. If metadata then
  still says the same id, the value was missing while it was live: that is a loss, not a race.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from chassis.errors import InvalidArgumentError, UnavailableError
from chassis.sensitive import Sensitive
from vault_svc.domain.envelope import EnvelopeError, ValueContext
from vault_svc.domain.keyring import WrappedDataKey
from vault_svc.domain.sealing import DataKey, SealedValue, open_value
from vault_svc.ports.decisions import Answer
from vault_svc.ports.keks import KekError
from vault_svc.ports.metadata import SYSTEM_KEEPER, Decision, Question, Resolution
from vault_svc.ports.values import ValueKey
from vault_svc.use_cases.data_keys import DataKeys
from vault_svc.use_cases.readings import Asked, Reading, Readings

RESOLVE_ROUNDS = 8


class Form(Enum):
    """What the answer can carry."""

    BYTES = "bytes"
    TEXT = "text"  # valid UTF-8 only


class Outcome(NamedTuple):
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

    readings: Readings
    data_keys: DataKeys

    async def outcomes(self, asking: Asking, names: Sequence[str]) -> dict[str, Outcome]:
        """An outcome for each name.

        Raises InvalidArgumentError if the values have no room, UnavailableError, and
        DeadlineExceededError if the caller's time was up before anything was asked.
        """
        outcomes: dict[str, Outcome] = {}
        missed: dict[str, UUID] = {}
        for _ in range(RESOLVE_ROUNDS):
            asked = list(missed) or names
            reading = await self._reading(asking, asked)
            opened, missed = await self._opened(asking, asked, reading, missed)
            outcomes |= opened
            if not missed:
                return outcomes
        raise UnavailableError("the values changed faster than they could be read")

    async def _reading(self, asking: Asking, names: Sequence[str]) -> Reading:
        question = Question(asking.namespace, names, asking.service_identity)
        reading = await self.readings.of(Asked(question, asking.room_bytes))
        if reading.too_large:
            raise InvalidArgumentError(
                "the values would not fit into one message; ask for fewer names"
            )
        if not reading.resolutions:
            raise UnavailableError("metadata refuses a question of the vault's own")
        return reading

    async def _opened(
        self,
        asking: Asking,
        names: Sequence[str],
        reading: Reading,
        missed: Mapping[str, UUID],
    ) -> tuple[dict[str, Outcome], dict[str, UUID]]:
        """An outcome for each name, or the id under which there was no value."""
        outcomes: dict[str, Outcome] = {}
        missing: dict[str, UUID] = {}
        keys: dict[UUID, DataKey | str] = {}
        for name, resolution in zip(names, reading.resolutions, strict=True):
            decision, keeper, value_id, version = resolution
            if decision is not Decision.ALLOWED or keeper != SYSTEM_KEEPER or value_id is None:
                outcomes[name] = _refused(name, resolution)
                continue
            row = reading.values.get(ValueKey(asking.namespace, value_id))
            if row is not None:
                data_key_id = row.sealed.data_key_id
                if data_key_id not in keys:
                    keys[data_key_id] = await self._usable(row.data_key)
                context = ValueContext(asking.namespace, name, value_id)
                key = keys[data_key_id]
                outcomes[name] = _opened(context, version, row.sealed, key, asking.form)
            elif missed.get(name) == value_id:
                outcomes[name] = _failed(name, version, "the value is missing")
            else:
                missing[name] = value_id
        return outcomes, missing

    async def _usable(self, wrapped: WrappedDataKey) -> DataKey | str:
        """The data key, or why nothing under it opens. Raises UnavailableError."""
        if not wrapped.opens:
            return f"the data key is {wrapped.state}"
        try:
            return await self.data_keys.unwrapped(wrapped)
        except KekError as error:
            return f"the data key does not unwrap: {error}"


def _refused(name: str, resolution: Resolution) -> Outcome:
    match resolution.decision:
        case Decision.NOT_FOUND:
            return Outcome(name, Answer.NOT_FOUND, "there is no such secure value")
        case Decision.NOT_AUTHORIZED:
            return Outcome(name, Answer.NOT_AUTHORIZED, "the identity is not on the allow-list")
        case Decision.ALLOWED:
            reason = "the value is at a keeper that is not served"
            return _failed(name, resolution.version, reason)


def _failed(name: str, version: int, reason: str) -> Outcome:
    return Outcome(name, Answer.DECRYPTION_FAILED, reason, version=version)


def _opened(
    context: ValueContext, version: int, sealed: SealedValue, key: DataKey | str, form: Form
) -> Outcome:
    name = context.name
    if isinstance(key, str):
        return _failed(name, version, key)
    try:
        value = open_value(sealed, context, key)
    except EnvelopeError as error:
        return _failed(name, version, f"the value does not open: {error}")
    if form is Form.TEXT and not _is_text(value):
        return _failed(name, version, "the value is not UTF-8")
    return Outcome(name, Answer.GRANTED, "", value, version)


def _is_text(value: Sensitive[bytes]) -> bool:
    try:
        value.reveal().decode()
    except UnicodeDecodeError:
        return False
    return True
