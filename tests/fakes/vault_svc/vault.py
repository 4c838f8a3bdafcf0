"""A whole vault around given stores, with short words for what tests do with it."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from chassis.caller import Caller, Principal
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.fakes.vault_svc.clock import StandingClock, StandingClocks
from tests.fakes.vault_svc.decisions import ListedDecisions
from tests.fakes.vault_svc.keks import SwitchedKek, a_kek
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.stores import (
    InMemoryDataKeyStore,
    InMemoryFingerprintKeyStore,
    InMemorySealedValueStore,
    Rows,
)
from vault_svc.domain.draft import Draft, Operation
from vault_svc.domain.fingerprint import IdempotencyKey
from vault_svc.domain.keyring import ReplacementRule
from vault_svc.ports.data_keys import DataKeyStore
from vault_svc.ports.decisions import Answer
from vault_svc.ports.fingerprint_keys import FingerprintKeyStore
from vault_svc.ports.keks import Keks
from vault_svc.ports.metadata import (
    Idempotency,
    MetadataClient,
    Preconditions,
    Preparation,
    PreparedWrite,
    Write,
)
from vault_svc.ports.values import SealedValueStore, ValueKey
from vault_svc.use_cases.data_keys import DataKeys
from vault_svc.use_cases.decrypt import DecryptCall, DecryptSecureValues
from vault_svc.use_cases.fingerprint_keys import FingerprintKeys
from vault_svc.use_cases.opening import Form, Opening, Outcome
from vault_svc.use_cases.readings import Readings
from vault_svc.use_cases.sweep import Sweep, SweepRule
from vault_svc.use_cases.unwrapped_keys import CacheBounds
from vault_svc.use_cases.writes import Writes

NAMESPACE = "team-a"
IDENTITY = "billing"
EVERYTHING = "secret.grafana.app/securevalues:decrypt"


def a_caller(
    *,
    namespace: str = NAMESPACE,
    identities: tuple[str, ...] = (IDENTITY,),
    permissions: frozenset[str] = frozenset({EVERYTHING}),
    for_user: bool = False,
) -> Caller:
    return Caller(
        subject="access-policy:1",
        namespace=namespace,
        roles=frozenset(),
        grants=(),
        permissions=permissions,
        service_identities=identities,
        for_user=for_user,
        issuer="https://issuer.splitkeep.invalid",
        token_id="t1",
    )


def a_write(
    name: str = "db-password",
    *,
    operation: Operation = Operation.CREATE,
    namespace: str = NAMESPACE,
    description: str = "a password",
    decrypters: tuple[str, ...] = (IDENTITY,),
    uid: str = "",
    dry_run: bool = False,
    token: str = "token",
    idempotency: Idempotency | None = None,
    **more: Any,
) -> Write:
    draft = Draft(
        namespace=namespace,
        name=name,
        generate_name="" if name else "sv-",
        description=description,
        decrypters=decrypters,
        **more,
    )
    preconditions = secure_value_pb2.Preconditions(uid=uid or None)
    return Write(
        operation=operation,
        draft=draft,
        preconditions=Preconditions(preconditions.SerializeToString()),
        dry_run=dry_run,
        token=Sensitive(token),
        idempotency=idempotency,
    )


async def prepared_by(client: MetadataClient, write: Write) -> PreparedWrite:
    """What Prepare decided; the write was not sent before."""
    answer = await client.prepare(write)
    assert isinstance(answer, Preparation)
    return answer.prepared


@dataclass
class Vault:
    """Defaults to memory throughout; any port can be given instead."""

    rows: Rows = field(default_factory=Rows)
    clock: StandingClock = field(default_factory=StandingClock)
    kek: SwitchedKek = field(default_factory=lambda: SwitchedKek(a_kek()))
    rule: ReplacementRule = field(default_factory=ReplacementRule)
    bounds: CacheBounds = field(default_factory=CacheBounds)
    sweep_rule: SweepRule = field(default_factory=lambda: SweepRule(0, 0, page_size=2))
    values: SealedValueStore | None = None
    keys: DataKeyStore | None = None
    fingerprint_store: FingerprintKeyStore | None = None
    metadata: InMemoryMetadata | None = None
    asked: MetadataClient | None = None
    lost: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.value_store = self.values or InMemorySealedValueStore(self.rows)
        self.key_store = self.keys or InMemoryDataKeyStore(self.rows)
        self.known = self.metadata or InMemoryMetadata(self.clock)
        metadata = self.asked or self.known
        self.decisions = ListedDecisions()
        self.contradicted: list[ValueKey] = []
        self.clocks = StandingClocks(self.clock)
        self.data_keys = DataKeys(
            store=self.key_store,
            keks=Keks(self.kek, lost=self.lost),
            clock=self.clock,
            random=secrets.token_bytes,
            rule=self.rule,
            bounds=self.bounds,
        )
        self.fingerprint_keys = FingerprintKeys(
            store=self.fingerprint_store or InMemoryFingerprintKeyStore(self.rows),
            keks=Keks(self.kek, lost=self.lost),
            clock=self.clock,
            random=secrets.token_bytes,
            bounds=self.bounds,
        )
        self.writes = Writes(
            metadata=metadata,
            values=self.value_store,
            data_keys=self.data_keys,
            fingerprint_keys=self.fingerprint_keys,
            clock=self.clock,
            random=secrets.token_bytes,
            claim_pauses_seconds=(0, 0, 0),
        )
        self.decrypter = DecryptSecureValues(
            Opening(Readings(metadata, self.value_store), self.data_keys), self.decisions
        )
        self.sweep = Sweep(
            metadata,
            self.value_store,
            self.clock,
            self.clocks,
            self.sweep_rule,
            self.contradicted.extend,
        )

    async def create(self, name: str = "db-password", value: bytes = b"hunter2") -> None:
        await self.writes.write(a_write(name), Sensitive(value))

    async def create_once(
        self, key: str, write: Write, value: bytes = b"hunter2"
    ) -> secure_value_pb2.SecureValue:
        """As the service does: the token says who asks."""
        asked_as = IdempotencyKey(Principal(write.token.reveal(), write.token.reveal()), key)
        made = await self.writes.write(write, Sensitive(value), asked_as)
        return secure_value_pb2.SecureValue.FromString(made)

    async def update(self, name: str = "db-password", value: bytes = b"hunter3") -> None:
        await self.writes.write(a_write(name, operation=Operation.UPDATE), Sensitive(value))

    async def decrypt(
        self, *names: str, caller: Caller | None = None, form: Form = Form.BYTES
    ) -> dict[str, bytes | Answer]:
        """The value of each name, or why there is none."""
        call = DecryptCall(caller or a_caller(), "", NAMESPACE, names, form)
        return {o.name: shown(o) for o in await self.decrypter.decrypt(call)}

    async def sweep_up(self) -> int:
        """Everything is swept, on all ways; how much was erased."""
        self.clock.advance(1)
        await self.sweep.note_released()
        await self.sweep.refuse_unclaimed()
        await self.sweep.check_everything()
        return await self.sweep.erase_due()


def shown(outcome: Outcome) -> bytes | Answer:
    return outcome.value.reveal() if outcome.value else outcome.answer
