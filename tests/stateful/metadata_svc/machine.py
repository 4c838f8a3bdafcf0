"""Histories of one namespace: whatever order things happen in, the stores do as the model says.

A subclass opens the stores; each history has a namespace of its own.
"""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from chassis.caller import EVERY_NAMESPACE, Caller
from chassis.errors import KnownError
from metadata_svc.domain.access import Decision
from metadata_svc.domain.idempotency import Fingerprint, Idempotency
from metadata_svc.domain.listing import Place
from metadata_svc.domain.partial_edit import PartialEdit
from metadata_svc.domain.resource import Operation, Preconditions
from metadata_svc.domain.secure_value import Draft, SecureValue
from metadata_svc.domain.value_id import ValueKey
from metadata_svc.use_cases.claim import ClaimRequest
from metadata_svc.use_cases.lists import ListRequest
from metadata_svc.use_cases.prepare import Prepared, PrepareRequest
from metadata_svc.use_cases.resolve import Question
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import a_caller, a_caller_granted, selecting
from tests.stateful.metadata_svc.model import Live, Namespace, Pending

T = TypeVar("T")

NAMES = st.sampled_from(["a", "b", "b.c"])
IDENTITIES = ("k6", "sm")
LABELS = st.fixed_dictionaries({}, optional={"team": st.sampled_from(["x", "y"])})
DECRYPTERS = st.lists(st.sampled_from(IDENTITIES), unique=True).map(tuple)
DESCRIPTIONS = st.sampled_from(["one", "two"])
# How far behind the last one a caller's resource version is; None: it does not say.
# Few, so that they meet; without one, a create is none that may be sent again.
IDEMPOTENCY_KEYS = st.sampled_from(["", "", "k1", "k2"])
LAGS = st.sampled_from([None, None, 0, 0, 1])
PAIRS = (("put_labels", "remove_labels"), ("add_decrypters", "remove_decrypters"))
BLIND = a_caller_granted(
    ("secret.securevalues:write", "secret.securevalues:*"), namespace=EVERY_NAMESPACE
)


class MetadataHistory(RuleBasedStateMachine):
    """See the module."""

    pending: Any = Bundle("pending")
    claimed: Any = Bundle("claimed")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.namespace = f"n-{uuid4().hex}"
        self.model = Namespace()
        self.application = Application(self.run(self.open_stores()))

    async def open_stores(self) -> Stores:
        raise NotImplementedError

    async def close_stores(self) -> None:
        """Nothing is open."""

    def teardown(self) -> None:
        self.run(self.close_stores())
        self.runner.close()

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    def outcome(self, work: Awaitable[SecureValue]) -> Live | str:
        try:
            return _seen(self.run(work))
        except KnownError as error:
            return type(error).__name__

    @rule(
        target=pending,
        operation=st.sampled_from(Operation),
        name=NAMES,
        description=DESCRIPTIONS,
        decrypters=DECRYPTERS,
        labels=LABELS,
        lag=LAGS,
        key=IDEMPOTENCY_KEYS,
    )
    def prepare(self, operation: Operation, lag: int | None, key: str, **fields: Any) -> Any:
        draft = Draft(namespace=self.namespace, **fields)
        expected = self._expected(draft.name, lag)
        key = key if operation is Operation.CREATE else ""
        request = PrepareRequest(
            operation=operation,
            draft=draft,
            preconditions=_preconditions(expected),
            idempotency=_idempotency(key, draft),
        )
        told: Live | str = ""
        prepared: Prepared | None = None
        try:
            answer = self.run(self.application.preparing.prepare(a_caller(), request))
            if isinstance(answer, Prepared):
                prepared = answer
            else:
                told = _seen(answer.secure_value)
        except KnownError as raised:
            told = type(raised).__name__
        assert told == self.model.prepare(operation, draft, expected, key)
        if prepared is None:
            return multiple()
        return Pending(prepared.write, draft, expected, key)

    @rule(target=claimed, write=consumes(pending))
    def claim(self, write: Pending) -> Any:
        assert self._claim(write) == self.model.claim(write)
        return write

    @rule(write=claimed)
    def claim_again_because_the_answer_was_lost(self, write: Pending) -> None:
        assert self._claim(write) == self.model.claim(write)

    @rule(write=st.one_of(pending, claimed))
    def refuse(self, write: Pending) -> None:
        key = ValueKey(self.namespace, write.write.value_id)
        ((_, state),) = self.run(self.application.values.refuse([key]))
        assert state.value == self.model.refuse(key.value_id)

    @rule(
        name=NAMES,
        description=DESCRIPTIONS,
        decrypters=DECRYPTERS,
        labels=LABELS,
        lag=LAGS,
        dry_run=st.booleans(),
    )
    def edit(self, lag: int | None, *, dry_run: bool, **fields: Any) -> None:
        draft = Draft(namespace=self.namespace, **fields)
        expected = self._expected(draft.name, lag)
        actual = self.outcome(
            self.application.edit(
                draft, preconditions=_preconditions(expected), dry_run=dry_run
            )
        )
        assert actual == self.model.edit(draft, expected, dry_run=dry_run)

    @rule(
        name=NAMES,
        description=st.none() | DESCRIPTIONS,
        put_labels=LABELS,
        remove_labels=LABELS,
        add_decrypters=DECRYPTERS,
        remove_decrypters=DECRYPTERS,
        lag=LAGS,
        dry_run=st.booleans(),
        caller=st.sampled_from([a_caller(), BLIND]),
    )
    def edit_a_part(
        self, lag: int | None, caller: Caller, *, dry_run: bool, **parts: Any
    ) -> None:
        for added, removed in PAIRS:
            parts[removed] = frozenset(parts[removed]) - set(parts[added])
        edit = PartialEdit(namespace=self.namespace, **parts)
        expected = self._expected(edit.name, lag)
        actual = self.outcome(
            self.application.edit_part(
                edit, preconditions=_preconditions(expected), dry_run=dry_run, caller=caller
            )
        )
        blind = caller is BLIND
        assert actual == self.model.edit_part(edit, expected, dry_run=dry_run, blind=blind)

    @rule(name=NAMES, lag=LAGS)
    def delete(self, name: str, lag: int | None) -> None:
        expected = self._expected(name, lag)
        actual = self.outcome(
            self.application.delete(
                self.namespace, name, preconditions=_preconditions(expected)
            )
        )
        assert actual == self.model.delete(name, expected)

    @rule()
    def erase_what_is_released(self) -> None:
        start = ValueKey(self.namespace, UUID(int=0))
        keys = self.run(
            self.application.values.released(minimum_age=timedelta(0), after=start, page_size=0)
        )
        own = [key for key in keys if key.namespace == self.namespace]
        assert [key.value_id for key in own] == self.model.released()
        self.run(self.application.values.acknowledge(own))
        for key in own:
            self.model.acknowledge(key.value_id)

    @rule()
    def forget_outcomes(self) -> None:
        assert self.run(self.application.outcomes.trim()) >= len(self.model.outcomes)
        self.model.forget_outcomes()

    @rule()
    def forget_idempotency_keys(self) -> None:
        assert self.run(self.application.idempotency_keys.trim()) >= len(self.model.sent)
        self.model.forget_keys()

    @rule(labels=LABELS, decrypter=st.sampled_from(["", *IDENTITIES]))
    def list_page_by_page(self, labels: dict[str, str], decrypter: str) -> None:
        met: list[SecureValue] = []
        more = True
        while more:
            request = ListRequest(
                namespace=self.namespace,
                selector=selecting(labels, decrypter=decrypter),
                page_size=1,
                after=Place(met[-1].name if met else ""),
            )
            listing = self.run(self.application.lists.page(a_caller(), request))
            met += listing.items
            more = listing.more
            assert listing.resource_version == self.model.counter
        assert {s.name: _seen(s) for s in met} == {
            name: live
            for name, live in self.model.live.items()
            if labels.items() <= live.labels.items()
            and (not decrypter or decrypter in live.spec[1])
        }

    @invariant()
    def every_name_resolves_as_its_last_write_says(self) -> None:
        names = ["a", "b", "b.c"]
        questions = [Question(self.namespace, names, identity) for identity in IDENTITIES]
        answers = self.run(self.application.names.resolve(questions))
        for identity, answer in zip(IDENTITIES, answers, strict=True):
            told = [r.location.value_id if r.location else r.decision for r in answer]
            assert told == [self._decision(name, identity) for name in names]

    def _decision(self, name: str, identity: str) -> object:
        live = self.model.live.get(name)
        if live is None:
            return Decision.NOT_FOUND
        return live.value_id if identity in live.spec[1] else Decision.NOT_AUTHORIZED

    def _claim(self, write: Pending) -> Live | str:
        request = ClaimRequest(
            write=write.write,
            draft=write.draft,
            preconditions=_preconditions(write.expected_version),
            idempotency=_idempotency(write.idempotency_key, write.draft),
        )
        return self.outcome(self.application.claiming.claim(a_caller(), request))

    def _expected(self, name: str, lag: int | None) -> int | None:
        live = self.model.live.get(name)
        return None if lag is None or live is None else live.resource_version - lag


def _preconditions(expected: int | None) -> Preconditions:
    return Preconditions(resource_version=None if expected is None else str(expected))


def _idempotency(key: str, draft: Draft) -> Idempotency | None:
    """As the vault asks: equal drafts have equal fingerprints."""
    if not key:
        return None
    return Idempotency(key, Fingerprint(sha256(repr(draft).encode()).digest()))


def _seen(secure_value: SecureValue) -> Live:
    return Live(
        uid=secure_value.uid,
        value_id=secure_value.value_id,
        version=secure_value.version,
        generation=secure_value.generation,
        resource_version=secure_value.resource_version,
        spec=(secure_value.description, secure_value.decrypters),
        labels=dict(secure_value.labels),
    )
