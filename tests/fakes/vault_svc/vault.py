"""A whole vault around given stores, with short words for what tests do with it."""

import secrets
from dataclasses import dataclass, field

from chassis.caller import Caller
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.fakes.vault_svc.clock import StandingClock
from tests.fakes.vault_svc.decisions import ListedDecisions
from tests.fakes.vault_svc.keks import SwitchedKek, a_kek
from tests.fakes.vault_svc.metadata import InMemoryMetadata
from tests.fakes.vault_svc.stores import InMemoryDataKeyStore, InMemorySealedValueStore, Rows
from vault_svc.domain.keyring import ReplacementRule
from vault_svc.ports.data_keys import DataKeyStore
from vault_svc.ports.decisions import Answer
from vault_svc.ports.keks import Keks
from vault_svc.ports.metadata import (
    Draft,
    MetadataClient,
    Operation,
    Preconditions,
    Write,
)
from vault_svc.ports.values import SealedValueStore, ValueKey
from vault_svc.use_cases.data_keys import CacheBounds, DataKeys
from vault_svc.use_cases.decrypt import DecryptCall, DecryptSecureValues
from vault_svc.use_cases.opening import Form, Opening, Outcome
from vault_svc.use_cases.sweep import Sweep, SweepRule
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
) -> Write:
    draft = secure_value_pb2.SecureValueDraft(
        namespace=namespace,
        name=name,
        generate_name="" if name else "sv-",
        description=description,
        decrypters=decrypters,
    )
    preconditions = secure_value_pb2.Preconditions(uid=uid or None)
    return Write(
        operation=operation,
        namespace=namespace,
        generates_name=not name,
        draft=Draft(draft.SerializeToString()),
        preconditions=Preconditions(preconditions.SerializeToString()),
        dry_run=dry_run,
        token=Sensitive(token),
    )


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
    metadata: InMemoryMetadata | None = None
    asked: MetadataClient | None = None

    def __post_init__(self) -> None:
        self.value_store = self.values or InMemorySealedValueStore(self.rows)
        self.key_store = self.keys or InMemoryDataKeyStore(self.rows)
        self.known = self.metadata or InMemoryMetadata(self.clock)
        metadata = self.asked or self.known
        self.decisions = ListedDecisions()
        self.contradicted: list[ValueKey] = []
        self.data_keys = DataKeys(
            store=self.key_store,
            keks=Keks(self.kek),
            clock=self.clock,
            random=secrets.token_bytes,
            rule=self.rule,
            bounds=self.bounds,
        )
        self.writes = Writes(
            metadata=metadata,
            values=self.value_store,
            data_keys=self.data_keys,
            clock=self.clock,
            random=secrets.token_bytes,
            claim_pauses_seconds=(0, 0, 0),
        )
        self.decrypter = DecryptSecureValues(
            Opening(metadata, self.value_store, self.data_keys), self.decisions
        )
        self.sweep = Sweep(
            metadata, self.value_store, self.clock, self.sweep_rule, self.contradicted.extend
        )

    async def create(self, name: str = "db-password", value: bytes = b"hunter2") -> None:
        await self.writes.write(a_write(name), Sensitive(value))

    async def update(self, name: str = "db-password", value: bytes = b"hunter3") -> None:
        await self.writes.write(a_write(name, operation=Operation.UPDATE), Sensitive(value))

    async def decrypt(
        self, *names: str, caller: Caller | None = None, form: Form = Form.BYTES
    ) -> dict[str, bytes | Answer]:
        """The value of each name, or why there is none."""
        call = DecryptCall(caller or a_caller(), "", NAMESPACE, names, form)
        return {o.name: shown(o) for o in await self.decrypter.decrypt(call)}

    async def sweep_up(self) -> int:
        """Everything due is swept, on all three ways; how much was erased."""
        self.clock.advance(1)
        return (
            await self.sweep.erase_released()
            + await self.sweep.refuse_unclaimed()
            + await self.sweep.check_everything()
        )


def shown(outcome: Outcome) -> bytes | Answer:
    return outcome.value.reveal() if outcome.value else outcome.answer
