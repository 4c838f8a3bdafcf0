"""What serves and what works beside it, put together on one database."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict
from uuid import uuid4

from chassis.clock import SystemClock
from chassis.grpc_server import Service
from chassis.identity import Authenticator
from chassis.metrics import Metrics
from chassis.postgres import Database
from chassis.trusted_issuers import IssuersFileVerifier
from metadata_svc.config import Config
from metadata_svc.domain.labels import LabelRules
from metadata_svc.domain.resource import Kind
from metadata_svc.grpc_api import access, keepers, secure_values, vault_peer
from metadata_svc.grpc_api.access import AccessServicer
from metadata_svc.grpc_api.keepers import KeepersServicer
from metadata_svc.grpc_api.secure_values import SecureValuesServicer
from metadata_svc.grpc_api.vault_peer import VaultPeerServicer
from metadata_svc.postgres.stores import PostgresStores
from metadata_svc.use_cases.claim import ClaimWrite
from metadata_svc.use_cases.commits import Commits
from metadata_svc.use_cases.delete_pages import DeletePages
from metadata_svc.use_cases.edits import SecureValueEdits
from metadata_svc.use_cases.keepers import KeeperWrites
from metadata_svc.use_cases.lists import Lists
from metadata_svc.use_cases.prepare import PrepareWrite
from metadata_svc.use_cases.reads import Reads
from metadata_svc.use_cases.resolve import ResolveNames
from metadata_svc.use_cases.trim import TrimHistory, TrimIdempotency, TrimOutcomes
from metadata_svc.use_cases.values import ValueFates
from metadata_svc.use_cases.watch import Watches
from metadata_svc.use_cases.watch_shares import WatchShares
from metadata_svc.watch_metrics import WatchMetrics
from metadata_svc.worker import Trim
from protos.splitkeep.metadata.v1 import (
    access_pb2_grpc,
    keepers_pb2_grpc,
    secure_values_pb2_grpc,
    vault_peer_pb2_grpc,
)

# Of the database's connections, this part at most reads for watches at a time.
WATCHES_SHARE = 4


@dataclass(frozen=True, slots=True)
class Parts:
    """The gRPC services of each port, and the steps of the worker."""

    clients: tuple[Service, ...]
    peer: Service
    authenticator: Authenticator
    trims: Mapping[str, Trim]
    poll: Callable[[], Awaitable[None]]


def assemble(config: Config, database: Database, metrics: Metrics) -> Parts:
    """Everything, ready to be served.

    Raises IssuersFileError if the issuers' file is not usable.
    """
    commits = Commits()
    stores = PostgresStores.on(database, announce=commits.announce)
    authenticator = Authenticator(IssuersFileVerifier(config.issuers, SystemClock()))
    watching = _Watching(
        commits=commits,
        reading=asyncio.Semaphore(max(1, config.dsn_connections // WATCHES_SHARE)),
        shares=WatchShares(config.watches_per_subject),
        telemetry=WatchMetrics(metrics, commits),
        bookmark_seconds=config.watch_bookmark_seconds,
    )
    return Parts(
        clients=(
            _secure_values(config, stores, watching),
            _keepers(config, stores, watching),
            _access(),
        ),
        peer=_for_the_vault(config, stores),
        authenticator=authenticator,
        trims=_trims(config, stores),
        poll=lambda: commits.poll(stores.counters),
    )


class _Watching(TypedDict):
    """What the watches of both kinds have in common."""

    commits: Commits
    reading: asyncio.Semaphore
    shares: WatchShares
    telemetry: WatchMetrics
    bookmark_seconds: float


def _trims(config: Config, stores: PostgresStores) -> dict[str, Trim]:
    transactions = stores.transactions
    changes = timedelta(seconds=config.changes_retention_seconds)
    outcomes = timedelta(seconds=config.outcome_retention_seconds)
    keys = timedelta(seconds=config.idempotency_retention_seconds)
    return {
        "history": TrimHistory(transactions, changes).trim,
        "outcomes": TrimOutcomes(transactions, outcomes).trim,
        "idempotency keys": TrimIdempotency(transactions, keys).trim,
    }


def _access() -> Service:
    add = access_pb2_grpc.add_AccessServicer_to_server
    return Service(access.SERVICE, add, AccessServicer())


def _keepers(config: Config, stores: PostgresStores, watching: _Watching) -> Service:
    kind, pages, changes = Kind.KEEPER, stores.keeper_pages, stores.keeper_changes
    writes = KeeperWrites(
        transactions=stores.transactions,
        clock=SystemClock(),
        new_id=uuid4,
        random_bytes=secrets.token_bytes,
        idempotency_retention=timedelta(seconds=config.idempotency_retention_seconds),
        labels=LabelRules(qualified=config.qualified_labels),
    )
    servicer = KeepersServicer(
        reads=Reads(kind=kind, reader=stores.keepers),
        lists=Lists(kind=kind, pages=pages, changes=changes),
        watches=Watches(kind=kind, pages=pages, changes=changes, **watching),
        delete_pages=DeletePages(
            kind=kind, replication=stores.replication, pages=pages, deletes=writes
        ),
        writes=writes,
    )
    add = keepers_pb2_grpc.add_KeepersServicer_to_server
    return Service(keepers.SERVICE, add, servicer, open_ended=keepers.OPEN_ENDED)


def _secure_values(config: Config, stores: PostgresStores, watching: _Watching) -> Service:
    kind, pages = Kind.SECURE_VALUE, stores.secure_value_pages
    changes = stores.secure_value_changes
    edits = SecureValueEdits(
        transactions=stores.transactions,
        reader=stores.reader,
        clock=SystemClock(),
        labels=LabelRules(qualified=config.qualified_labels),
    )
    servicer = SecureValuesServicer(
        reads=Reads(kind=kind, reader=stores.reader),
        lists=Lists(kind=kind, pages=pages, changes=changes),
        watches=Watches(kind=kind, pages=pages, changes=changes, **watching),
        delete_pages=DeletePages(
            kind=kind, replication=stores.replication, pages=pages, deletes=edits
        ),
        edits=edits,
    )
    add = secure_values_pb2_grpc.add_SecureValuesServicer_to_server
    return Service(secure_values.SERVICE, add, servicer, open_ended=secure_values.OPEN_ENDED)


def _for_the_vault(config: Config, stores: PostgresStores) -> Service:
    retention = timedelta(seconds=config.idempotency_retention_seconds)
    labels = LabelRules(qualified=config.qualified_labels)
    servicer = VaultPeerServicer(
        prepare=PrepareWrite(
            replication=stores.replication,
            reader=stores.reader,
            keepers=stores.keepers,
            idempotency=stores.idempotency,
            clock=SystemClock(),
            new_id=uuid4,
            random_bytes=secrets.token_bytes,
            idempotency_retention=retention,
            labels=labels,
        ),
        claim=ClaimWrite(
            transactions=stores.transactions,
            clock=SystemClock(),
            idempotency_retention=retention,
            labels=labels,
        ),
        names=ResolveNames(stores.reader),
        values=ValueFates(stores.transactions),
    )
    add = vault_peer_pb2_grpc.add_VaultPeerServicer_to_server
    vaults = frozenset(config.vault_sans)
    return Service(
        vault_peer.SERVICE,
        add,
        servicer,
        peers=vaults,
        open_ended=vault_peer.OPEN_ENDED,
        without_token=vault_peer.WITHOUT_TOKEN,
    )
