"""Calls both services, joined in this process, as a caller with little patience."""

import asyncio
import random
from dataclasses import dataclass, field, replace
from typing import Any

from chassis.deadline import bound
from chassis.errors import (
    AlreadyExistsError,
    ConflictError,
    DeadlineExceededError,
    KnownError,
    NotFoundError,
    UnavailableError,
)
from chassis.sensitive import Sensitive
from metadata_svc.domain.resource import Preconditions
from metadata_svc.domain.secure_value import Draft, SecureValue
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.contracts.metadata_svc.application import Application
from tests.fakes.metadata_svc.builders import a_draft
from tests.fakes.vault_svc.vault import IDENTITY, Vault, a_write, shown
from tests.fakes.vault_svc.vault import a_caller as a_decrypter
from tests.faults.histories.client import LABEL, conflict
from tests.faults.histories.history import History
from tests.faults.histories.model import Answer, Operation, Shown, Spec, Verb
from tests.faults.system.installation import TEAM
from vault_svc.domain.draft import Operation as Kind
from vault_svc.ports import decisions
from vault_svc.ports import metadata as vault_metadata
from vault_svc.ports.metadata import Write
from vault_svc.use_cases.decrypt import DecryptCall

ANSWERS: dict[type[KnownError], Answer] = {
    UnavailableError: Answer.UNKNOWN,
    DeadlineExceededError: Answer.UNKNOWN,
    NotFoundError: Answer.NOT_FOUND,
    AlreadyExistsError: Answer.ALREADY_EXISTS,
}
DECRYPTED = {
    decisions.Answer.NOT_FOUND: Answer.NOT_FOUND,
    decisions.Answer.NOT_AUTHORIZED: Answer.NOT_AUTHORIZED,
}
PATIENT_SECONDS = 20.0


@dataclass(slots=True)
class Patience:
    """How long calls may take: forever, or a moment drawn by chance."""

    chance: random.Random
    short: bool = False

    def seconds(self) -> tuple[float, float]:
        """Until the deadline, and until the caller goes away, which may be earlier."""
        if not self.short:
            return PATIENT_SECONDS, PATIENT_SECONDS
        deadline = self.chance.uniform(0.05, 0.6)
        return deadline, self.chance.choice((deadline + 1, self.chance.uniform(0, deadline)))


@dataclass(slots=True)
class JoinedClient:
    """See histories.client.Client; a create whose key is among `keys` is sent under it."""

    metadata: Application
    vault: Vault
    patience: Patience
    keys: set[str] = field(default_factory=set)  # under which creates are sent

    async def ask(self, history: History, asked: Operation) -> Operation:
        deadline, leaves = self.patience.seconds()
        try:
            with bound(deadline):
                async with asyncio.timeout(leaves):
                    return await self._answered(history, asked)
        except TimeoutError:
            return asked
        except ConflictError as error:
            return replace(asked, answer=conflict(error.message))
        except KnownError as error:
            answers = (a for kind, a in ANSWERS.items() if isinstance(error, kind))
            return replace(asked, answer=next(answers, Answer.WRONG))

    async def _answered(self, history: History, asked: Operation) -> Operation:
        if asked.verb is Verb.DECRYPT:
            return await self._decrypt(history, asked)
        shown = await self._asked(history, asked)
        return replace(asked, answer=Answer.DONE, shown=shown)

    async def _asked(self, history: History, asked: Operation) -> Shown:
        name, expected = history.name, Preconditions(resource_version=_text(asked.expected))
        if asked.verb is Verb.GET:
            return _of_row(await self.metadata.get(name, namespace=TEAM))
        if asked.verb is Verb.DELETE:
            return _of_row(await self.metadata.delete(TEAM, name, preconditions=expected))
        if asked.verb is Verb.EDIT:
            draft = _draft(name, asked.spec)
            return _of_row(await self.metadata.edit(draft, preconditions=expected))
        return await self._write(history, asked)

    async def _write(self, history: History, asked: Operation) -> Shown:
        write, value = _write(history, asked), history.value(asked.value).encode()
        if (key := key_of(history, asked)) in self.keys:
            return _of_message(await self.vault.create_once(key, write, value))
        made = await self.vault.writes.write(write, Sensitive(value))
        return _of_message(secure_value_pb2.SecureValue.FromString(made))

    async def _decrypt(self, history: History, asked: Operation) -> Operation:
        call = DecryptCall(a_decrypter(namespace=TEAM), "", TEAM, (history.name,))
        (outcome,) = await self.vault.decrypter.decrypt(call)
        found = shown(outcome)
        if isinstance(found, bytes):
            value = history.name_of(found.decode())
            return replace(asked, answer=Answer.DONE, value=value, version=outcome.version)
        return replace(asked, answer=DECRYPTED.get(found, Answer.WRONG))


def key_of(history: History, asked: Operation) -> str:
    """The idempotency key that a create has, if it has one."""
    return f"{history.name}-{asked.value}"


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _draft(name: str, spec: Spec) -> Draft:
    return a_draft(
        namespace=TEAM,
        name=name,
        description=spec.description or "",
        decrypters=(IDENTITY,) if spec.allowed else (),
        labels={LABEL: spec.label} if spec.label else {},
    )


def _write(history: History, asked: Operation) -> Write:
    write = a_write(
        history.name,
        namespace=TEAM,
        operation=Kind.CREATE if asked.verb is Verb.CREATE else Kind.UPDATE,
        description=asked.spec.description or "",
        decrypters=(IDENTITY,) if asked.spec.allowed else (),
        labels={LABEL: asked.spec.label} if asked.spec.label else {},
    )
    expected = secure_value_pb2.Preconditions(resource_version=_text(asked.expected))
    sent = vault_metadata.Preconditions(expected.SerializeToString())
    return replace(write, preconditions=sent)


def _of_row(found: SecureValue) -> Shown:
    return Shown(str(found.uid), *_counts(found))


def _of_message(found: secure_value_pb2.SecureValue) -> Shown:
    return Shown(found.uid, *_counts(found))


def _counts(found: Any) -> tuple[int, int, int, Spec]:
    allowed, label = IDENTITY in found.decrypters, found.labels.get(LABEL, "")
    spec = Spec(found.description, allowed, label)
    return found.resource_version, found.generation, found.version, spec
