"""Both services in one process, each on its own real database; what outlives their deaths."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from chassis.clock import SystemClock
from chassis.errors import NotFoundError
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from metadata_svc.domain.secure_value import Draft
from metadata_svc.postgres.transactions import TransactionQueries, load_transaction_queries
from protos.splitkeep.metadata.v1 import secure_value_pb2
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import a_draft
from tests.fakes.vault_svc.clock import StandingClock
from tests.fakes.vault_svc.fuse import Fuse
from tests.fakes.vault_svc.keks import SwitchedKek, a_kek
from tests.fakes.vault_svc.vault import IDENTITY, Vault, a_write, shown
from tests.fakes.vault_svc.vault import a_caller as a_decrypter
from tests.faults.system.fused import fused_stores
from tests.faults.system.wire import Script, metadata_client, undisturbed
from tests.integration.metadata_svc.conftest import postgres_stores
from vault_svc.domain.draft import Operation
from vault_svc.domain.keyring import ReplacementRule
from vault_svc.ports.decisions import Answer
from vault_svc.ports.metadata import Write
from vault_svc.postgres.data_keys import PostgresDataKeyStore
from vault_svc.postgres.fingerprint_keys import PostgresFingerprintKeyStore
from vault_svc.postgres.sealed_values import PostgresSealedValueStore
from vault_svc.use_cases.decrypt import DecryptCall
from vault_svc.use_cases.sweep import Sweep
from vault_svc.use_cases.writes import Writes

TEAM = "team-a"
NAME = "db-password"
# Every block of wraps is one wrap, so that each write asks for its data key.
RULE = ReplacementRule(maximum_wraps=4, wraps_per_reservation=1)

Seen = tuple[bytes | Answer, str | None]
"""What a caller gets of a name: its value or why there is none, and its description."""


@dataclass
class Installation:
    """Two databases and a KEK; processes come and go."""

    metadata_database: Database
    vault_database: Database
    metadata_dsn: Sensitive[str]  # for whoever holds a lock from outside
    clock: StandingClock = field(default_factory=StandingClock)
    kek: SwitchedKek = field(default_factory=lambda: SwitchedKek(a_kek()))
    # What a test replaces to see that the fault is found.
    queries: TransactionQueries = field(default_factory=load_transaction_queries)
    writes_kind: type[Writes] = Writes
    sweep_kind: type[Sweep] = Sweep

    def metadata(self, fuse: Fuse | None = None) -> Application:
        """A new process of metadata."""
        stores = self._stores()
        return Application(fused_stores(stores, fuse) if fuse else stores, clock=SystemClock())

    def _stores(self) -> Stores:
        stores = postgres_stores(self.metadata_database)
        transactions: Any = stores.transactions
        return replace(stores, transactions=replace(transactions, queries=self.queries))

    def vault(
        self,
        *,
        metadata: Application | None = None,
        script: Script = undisturbed,
        fuse: Fuse | None = None,
    ) -> Vault:
        """A new process of the vault, with nothing remembered."""
        behind = fuse.before if fuse else _bare
        vault = Vault(
            values=behind(PostgresSealedValueStore(self.vault_database)),
            keys=behind(PostgresDataKeyStore(self.vault_database)),
            fingerprint_store=behind(PostgresFingerprintKeyStore(self.vault_database)),
            kek=behind(self.kek),
            asked=behind(metadata_client(metadata or self.metadata(), script)),
            clock=self.clock,
            rule=RULE,
        )
        vault.writes = self.writes_kind(**_fields(vault.writes))
        vault.sweep = self.sweep_kind(**_fields(vault.sweep))
        return vault

    async def sweep_twice(self) -> None:
        vault = self.vault()
        for _ in range(2):
            await vault.sweep_up()

    async def seen(self, namespace: str, name: str = NAME) -> Seen:
        """What a reader gets who comes now."""
        try:
            found = await self.metadata().get(name, namespace=namespace)
        except NotFoundError:
            return await self._decrypted(namespace, name), None
        return await self._decrypted(namespace, name), found.description

    async def _decrypted(self, namespace: str, name: str) -> bytes | Answer:
        call = DecryptCall(a_decrypter(namespace=namespace), "", namespace, (name,))
        (outcome,) = await self.vault().decrypter.decrypt(call)
        return shown(outcome)


def _bare(port: Any) -> Any:
    return port


def _fields(of: Any) -> dict[str, Any]:
    return {field.name: getattr(of, field.name) for field in fields(of)}


def a_create(namespace: str, name: str = NAME) -> Write:
    return a_write(name, namespace=namespace, description="first")


def an_update(namespace: str, name: str = NAME) -> Write:
    return a_write(name, namespace=namespace, description="second", operation=Operation.UPDATE)


async def create(vault: Vault, namespace: str, value: bytes = b"old") -> None:
    """`NAME` is there, described as `first`."""
    await vault.writes.write(a_create(namespace), Sensitive(value))


async def create_once(
    vault: Vault, namespace: str, value: bytes = b"old"
) -> secure_value_pb2.SecureValue:
    """As create, under an idempotency key."""
    return await vault.create_once("create-1", a_create(namespace), value)


async def update(vault: Vault, namespace: str, value: bytes = b"new") -> None:
    """`NAME` has another value and is described as `second`."""
    await vault.writes.write(an_update(namespace), Sensitive(value))


def an_edit(namespace: str) -> Draft:
    """The same value, described as `second`."""
    return a_draft(
        namespace=namespace,
        name=NAME,
        description="second",
        decrypters=(IDENTITY,),
        labels={"team": "x"},
    )
