"""Histories of one vault against a model: which names hold which value, and who may read it."""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chassis.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    KnownError,
    NotFoundError,
)
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.fakes.vault_svc.clock import StandingClock
from tests.fakes.vault_svc.fuse import Death, DiedError, Fuse
from tests.fakes.vault_svc.keks import SwitchedKek, a_kek
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.vault import IDENTITY, NAMESPACE, Vault, a_write
from vault_svc.domain.envelope import KeyPurpose
from vault_svc.domain.keyring import DataKeyState, ReplacementRule
from vault_svc.ports.data_keys import DataKeyStore
from vault_svc.ports.decisions import Answer
from vault_svc.ports.fingerprint_keys import FingerprintKeyStore
from vault_svc.ports.metadata import ValueState
from vault_svc.ports.values import SealedValueStore, ValueKey
from vault_svc.use_cases.sweep import SweepRule
from vault_svc.use_cases.unwrapped_keys import CacheBounds

T = TypeVar("T")

NAMES = ("a", "b", "c")
names = st.sampled_from(NAMES)
values = st.binary(min_size=1, max_size=8)
idempotency_keys = st.sampled_from(("k1", "k2", "k3"))
RULE = ReplacementRule(maximum_age_seconds=1000, maximum_wraps=6, wraps_per_reservation=2)
WINDOW_SECONDS = 1000
TAMPERED_STATES = (ValueState.RELEASED, ValueState.ERASED, ValueState.REFUSED)

Stores = tuple[SealedValueStore, DataKeyStore, FingerprintKeyStore]
# What was created under an idempotency key, and the answer.
Sent = tuple[str, bytes, secure_value_pb2.SecureValue]


class Histories(RuleBasedStateMachine):
    """Subclasses give the stores, fresh for each history."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        try:
            self.values, self.keys, self.fingerprint_keys = self.run(self.open_stores())
        except BaseException:
            self.runner.close()
            raise
        self.clock = StandingClock()
        self.kek = SwitchedKek(a_kek())
        self.metadata = InMemoryMetadata(self.clock)
        self.vault = self.process()
        self.model: dict[str, bytes] = {}
        self.readable: dict[str, bool] = {}
        self.sent: dict[str, Sent] = {}
        # Sent under a fingerprint key that is no more: nothing can be told equal to it.
        self.unrecognisable: set[str] = set()

    async def open_stores(self) -> Stores:
        raise NotImplementedError

    async def close_stores(self) -> None:
        return

    def teardown(self) -> None:
        self.run(self.close_stores())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def process(self, fuse: Fuse | None = None) -> Vault:
        return Vault(
            values=fuse.before(self.values) if fuse else self.values,
            keys=fuse.before(self.keys) if fuse else self.keys,
            fingerprint_store=(
                fuse.before(self.fingerprint_keys) if fuse else self.fingerprint_keys
            ),
            clock=self.clock,
            kek=self.kek,
            metadata=self.metadata,
            asked=fuse.before(self.metadata) if fuse else None,
            rule=RULE,
            bounds=CacheBounds(limit=2, lifetime_seconds=50),
            sweep_rule=SweepRule(WINDOW_SECONDS, 0, page_size=2),
        )

    @rule(name=names, value=values)
    def create(self, name: str, value: bytes) -> None:
        outcome = self.outcome(self.vault.create(name, value))
        assert outcome is (AlreadyExistsError if name in self.model else None)
        if outcome is None:
            self.model[name], self.readable[name] = value, True

    @rule(name=names, value=values)
    def update(self, name: str, value: bytes) -> None:
        outcome = self.outcome(self.vault.update(name, value))
        assert outcome is (None if name in self.model else NotFoundError)
        if outcome is None:
            self.model[name], self.readable[name] = value, True

    @rule(key=idempotency_keys, name=names, value=values)
    def create_once(self, key: str, name: str, value: bytes) -> None:
        """Created now, or answered as before, or refused: told by what was sent before."""
        live = self.metadata.live.get((NAMESPACE, name))
        try:
            made = self.run(self.vault.create_once(key, a_write(name), value))
        except InvalidArgumentError:
            assert key in self.unrecognisable or self.sent[key][:2] != (name, value)
        except AlreadyExistsError:
            assert key not in self.sent
            assert name in self.model
        else:
            self.expect_one_create(key, (name, value, made))
            return
        assert self.metadata.live.get((NAMESPACE, name)) == live

    @rule(
        key=idempotency_keys,
        name=names,
        value=values,
        at=st.integers(0, 12),
        death=st.sampled_from(Death),
    )
    def die_in_a_create_that_is_sent_again(
        self, key: str, name: str, value: bytes, at: int, death: Death
    ) -> None:
        """Its caller hears nothing and sends it to another process."""
        if name in self.model or key in self.sent:
            return
        before = self.metadata.last_versions.get((NAMESPACE, name), 0)
        with contextlib.suppress(DiedError, KnownError):
            self.run(self.process(Fuse(at, death)).create_once(key, a_write(name), value))
        made = self.run(self.vault.create_once(key, a_write(name), value))
        assert made.version == before + 1
        assert self.metadata.last_versions[NAMESPACE, name] == before + 1
        self.expect_one_create(key, (name, value, made))

    def expect_one_create(self, key: str, sent: Sent) -> None:
        assert key not in self.unrecognisable
        if key in self.sent:
            assert self.sent[key] == sent
        else:
            self.sent[key] = sent
            self.model[sent[0]], self.readable[sent[0]] = sent[1], True

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        self.metadata.delete(NAMESPACE, name)
        del self.model[name]

    @precondition(lambda self: self.model)
    @rule(data=st.data(), readable=st.booleans())
    def set_decrypters(self, data: st.DataObject, readable: object) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        self.metadata.allow(NAMESPACE, name, *([IDENTITY] if readable else []))
        self.readable[name] = bool(readable)

    @rule(name=names, value=values, at=st.integers(0, 7), death=st.sampled_from(Death))
    def write_and_die(self, name: str, value: bytes, at: int, death: Death) -> None:
        """The process dies somewhere in a write; what it did shows in metadata alone."""
        vault = self.process(Fuse(at, death))
        before = self.metadata.live.get((NAMESPACE, name))
        write = vault.update if name in self.model else vault.create
        with contextlib.suppress(DiedError, KnownError):
            self.run(write(name, value))
        if self.metadata.live.get((NAMESPACE, name)) != before:
            self.model[name], self.readable[name] = value, True

    @rule(at=st.integers(0, 9), death=st.sampled_from(Death))
    def sweep_and_die(self, at: int, death: Death) -> None:
        with contextlib.suppress(DiedError):
            self.run(self.process(Fuse(at, death)).sweep_up())

    @rule()
    def sweep(self) -> None:
        for _ in range(2):
            self.run(self.vault.sweep_up())
            self.clock.advance(WINDOW_SECONDS)
        self.run(self.vault.sweep_up())
        assert self.held() == self.metadata.referenced()

    @rule(state=st.sampled_from((*TAMPERED_STATES, None)), seconds=st.integers(0, 900))
    def somebody_writes_metadatas_database_for_a_while(
        self, state: ValueState | None, seconds: int
    ) -> None:
        """Whatever it says of the live values, until it is restored within the window."""
        kept = {key: replace(row) for key, row in self.metadata.ids.items()}
        for key in self.metadata.referenced():
            if state is None:
                del self.metadata.ids[key]
            else:
                self.metadata.ids[key].state = state
        self.run(self.vault.sweep_up())
        self.clock.advance(seconds)
        self.run(self.vault.sweep_up())
        self.metadata.ids = kept
        # The window has begun: it ends once the vault hears that they are claimed.
        self.run(self.vault.sweep_up())

    @rule(seconds=st.integers(1, 600))
    def advance_time(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.vault = self.process()

    @precondition(lambda self: self.model)
    @rule()
    def retire_the_active_key(self) -> None:
        """Somebody else replaces it: what this process remembers of it is stale."""
        key = self.run(self.keys.reserve_wraps(NAMESPACE, RULE, self.clock.now()))
        if key:
            self.run(self.keys.move(NAMESPACE, key.data_key_id, DataKeyState.RETIRED))

    @precondition(lambda self: self.model)
    @rule()
    def disable_the_active_key_for_a_while(self) -> None:
        key = self.run(self.keys.reserve_wraps(NAMESPACE, RULE, self.clock.now()))
        if not key:
            return
        self.run(self.keys.move(NAMESPACE, key.data_key_id, DataKeyState.DISABLED))
        for name, answer in self.read().items():
            assert answer in {self.expected(name), Answer.DECRYPTION_FAILED}
        self.run(self.keys.move(NAMESPACE, key.data_key_id, DataKeyState.RETIRED))

    @rule()
    def destroy_what_can_be(self) -> None:
        """Whatever is destroyed, no live value is lost by it."""
        for sample in self.run(self.keys.samples_per_kek(100)):
            gone = self.outcome(self.keys.destroy(NAMESPACE, sample.data_key_id)) is None
            if gone and sample.purpose is KeyPurpose.FINGERPRINT:
                self.unrecognisable |= self.sent.keys()

    @invariant()
    def every_name_reads_as_the_model_says(self) -> None:
        expected = {name: self.expected(name) for name in NAMES}
        assert self.read() == expected

    @invariant()
    def everything_metadata_points_to_is_held(self) -> None:
        assert self.metadata.referenced() <= self.held()

    @invariant()
    def one_key_at_most_is_active(self) -> None:
        samples = self.run(self.keys.samples_per_kek(1000))
        assert [s.state for s in samples].count(DataKeyState.ACTIVE) <= 1

    def expected(self, name: str) -> bytes | Answer:
        if name not in self.model:
            return Answer.NOT_FOUND
        return self.model[name] if self.readable[name] else Answer.NOT_AUTHORIZED

    def read(self) -> dict[str, bytes | Answer]:
        return self.run(self.vault.decrypt(*NAMES))

    def held(self) -> set[ValueKey]:
        later = StandingClock()
        later.advance(10**9)
        return set(
            self.run(self.values.all_values(stored_before=later.now(), after=None, limit=1000))
        )

    def outcome(self, work: Coroutine[Any, Any, object]) -> type[KnownError] | None:
        try:
            self.run(work)
        except KnownError as error:
            return type(error)
        return None
