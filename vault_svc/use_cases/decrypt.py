"""Decrypting by name, for the services on each value's allow-list.

- The right to ask is decided first, from the token alone; without it nothing is looked up.
- Faults of the database, of metadata or of a KEK fail the whole call; faults of one value fail
  that name.
- Every decision is recorded, each name once, with its true reason.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from chassis.caller import Caller
from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from vault_svc.domain.access import DecryptRight, NoRight, could_be_name, decide
from vault_svc.ports.decisions import Answer, DecisionLog, DecryptRecord
from vault_svc.use_cases.opening import Asking, Form, Opening, Outcome

MAXIMUM_NAMES = 1000
# A gRPC client's default limit for one message.
MAXIMUM_ANSWER_BYTES = 4 * 1024 * 1024
# Tags, lengths and a version around a name and its value, at most.
FRAMING_BYTES = 40
# At 24 KiB each well below that limit.
STREAMED_NAMES = 100


@dataclass(frozen=True, slots=True)
class DecryptCall:
    """One call: who asks, as established and as the caller says, and for what."""

    caller: Caller
    claimed_identity: str
    namespace: str
    names: Sequence[str]
    form: Form = Form.BYTES


@dataclass(frozen=True, slots=True)
class DecryptSecureValues:
    """Answers every requested name exactly once, in the order asked."""

    opening: Opening
    log: DecisionLog

    async def decrypt(self, call: DecryptCall) -> list[Outcome]:
        """An outcome for each different name.

        Raises InvalidArgumentError for a malformed call or one whose values would not fit into
        one message, UnavailableError if metadata, the database or a KEK cannot be had.
        """
        return await self._decrypt(call, _distinct_names(call))

    async def stream(self, call: DecryptCall) -> AsyncIterator[list[Outcome]]:
        """The same outcomes, a part at a time, each decided when it is its turn.

        Raises what `decrypt` raises, but nothing for size.
        """
        names = _distinct_names(call)
        for start in range(0, len(names), STREAMED_NAMES):
            yield await self._decrypt(call, names[start : start + STREAMED_NAMES])

    async def _decrypt(self, call: DecryptCall, names: list[str]) -> list[Outcome]:
        right = decide(call.caller, call.namespace)
        if isinstance(right, NoRight):
            outcomes = [Outcome(name, Answer.NOT_AUTHORIZED, right.reason) for name in names]
        else:
            outcomes = await self._outcomes(call, names, right)
        await self.log.record(_records(call, outcomes))
        return outcomes

    async def _outcomes(
        self, call: DecryptCall, names: list[str], right: DecryptRight
    ) -> list[Outcome]:
        outcomes = _decided_by_name(call.namespace, names, right)
        asked = [name for name in names if name not in outcomes]
        if asked:
            asking = Asking(
                namespace=call.namespace,
                service_identity=right.service_identity,
                form=call.form,
                room_bytes=_room_bytes(names),
            )
            outcomes |= await self.opening.outcomes(asking, asked)
        return [outcomes[name] for name in names]


def _records(call: DecryptCall, outcomes: Sequence[Outcome]) -> list[DecryptRecord]:
    identity = ",".join(call.caller.service_identities)
    return [
        DecryptRecord(
            service_identity=identity,
            claimed_identity=call.claimed_identity,
            issuer=call.caller.issuer,
            subject=call.caller.subject,
            namespace=call.namespace,
            answer=alike[0].answer,
            reason=alike[0].reason,
            names=[outcome.name for outcome in alike],
            versions=[outcome.version for outcome in alike],
        )
        for alike in _by_decision(outcomes)
    ]


def _by_decision(outcomes: Sequence[Outcome]) -> Iterable[Sequence[Outcome]]:
    """The outcomes with those of the same answer and reason together."""
    if len(outcomes) == 1:
        return (outcomes,)
    alike: dict[tuple[Answer, str], list[Outcome]] = {}
    for outcome in outcomes:
        alike.setdefault((outcome.answer, outcome.reason), []).append(outcome)
    return alike.values()


def _distinct_names(call: DecryptCall) -> list[str]:
    """The names in the order asked, each once. Raises InvalidArgumentError."""
    violations = []
    if not call.namespace:
        violations.append(FieldViolation("namespace", Rule.REQUIRED, "must not be empty"))
    if not call.names:
        violations.append(FieldViolation("names", Rule.REQUIRED, "must not be empty"))
    if len(call.names) > MAXIMUM_NAMES:
        message = f"must have at most {MAXIMUM_NAMES} items"
        violations.append(FieldViolation("names", Rule.TOO_MANY, message))
    if not all(call.names):
        violations.append(
            FieldViolation("names", Rule.INVALID, "must not contain an empty name")
        )
    if violations:
        raise InvalidArgumentError(violations=tuple(violations))
    return list(dict.fromkeys(call.names))


def _decided_by_name(
    namespace: str, names: list[str], right: DecryptRight
) -> dict[str, Outcome]:
    """The outcomes that take no look-up."""
    outcomes = {}
    possible = could_be_name(namespace)
    for name in names:
        if not right.covers(name):
            reason = "the token does not permit this name"
            outcomes[name] = Outcome(name, Answer.NOT_AUTHORIZED, reason)
        elif not (possible and could_be_name(name)):
            outcomes[name] = Outcome(name, Answer.NOT_FOUND, "no secure value is named so")
    return outcomes


def _room_bytes(names: list[str]) -> int:
    """What one message has left for values, next to these names."""
    names_bytes = len("".join(names).encode())
    return MAXIMUM_ANSWER_BYTES - names_bytes - FRAMING_BYTES * len(names)
