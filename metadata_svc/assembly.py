"""What serves and what works beside it, put together on one database."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from chassis.clock import SystemClock
from chassis.grpc_server import Service
from chassis.identity import Authenticator, JwtVerifier, load_issuers
from chassis.postgres import Database
from metadata_svc.config import Config
from metadata_svc.domain.resource import Kind
from metadata_svc.grpc_api import access, keepers, secure_values, vault_peer
from metadata_svc.grpc_api.access import AccessServicer
from metadata_svc.grpc_api.keepers import KeepersServicer
from metadata_svc.grpc_api.secure_values import SecureValuesServicer
from metadata_svc.grpc_api.vault_peer import VaultPeerServicer
from metadata_svc.postgres.stores import PostgresStores
from metadata_svc.use_cases.claim import ClaimWrite
from metadata_svc.use_cases.edits import SecureValueEdits
from metadata_svc.use_cases.keepers import KeeperWrites
from metadata_svc.use_cases.lists import Lists
from metadata_svc.use_cases.prepare import PrepareWrite
from metadata_svc.use_cases.reads import Reads
from metadata_svc.use_cases.resolve import ResolveNames
from metadata_svc.use_cases.trim import TrimHistory, TrimIdempotency, TrimOutcomes
from metadata_svc.use_cases.values import ValueFates
from metadata_svc.worker import Trim
from protos.splitkeep.metadata.v1 import (
    access_pb2_grpc,
    keepers_pb2_grpc,
    secure_values_pb2_grpc,
    vault_peer_pb2_grpc,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """The gRPC services of each port, and the steps of the worker."""

    clients: tuple[Service, ...]
    peer: Service
    trims: Mapping[str, Trim]


def assemble(config: Config, database: Database) -> Parts:
    """Everything, ready to be served.

    Raises IssuersFileError if the issuers' file is not usable.
    """
    stores = PostgresStores.on(database)
    authenticator = Authenticator(JwtVerifier(load_issuers(config.issuers), SystemClock()))
    return Parts(
        clients=_for_clients(config, authenticator, stores),
        peer=_for_the_vault(config, authenticator, stores),
        trims=_trims(config, stores),
    )


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


def _for_clients(
    config: Config, authenticator: Authenticator, stores: PostgresStores
) -> tuple[Service, ...]:
    return (
        _secure_values(authenticator, stores),
        _keepers(config, authenticator, stores),
        Service(
            access.SERVICE,
            access_pb2_grpc.add_AccessServicer_to_server,
            AccessServicer(authenticator=authenticator),
        ),
    )


def _keepers(config: Config, authenticator: Authenticator, stores: PostgresStores) -> Service:
    servicer = KeepersServicer(
        authenticator=authenticator,
        reads=Reads(kind=Kind.KEEPER, reader=stores.keepers),
        writes=KeeperWrites(
            transactions=stores.transactions,
            clock=SystemClock(),
            new_id=uuid4,
            random_bytes=secrets.token_bytes,
            idempotency_retention=timedelta(seconds=config.idempotency_retention_seconds),
        ),
    )
    add = keepers_pb2_grpc.add_KeepersServicer_to_server
    return Service(keepers.SERVICE, add, servicer)


def _secure_values(authenticator: Authenticator, stores: PostgresStores) -> Service:
    servicer = SecureValuesServicer(
        authenticator=authenticator,
        reads=Reads(kind=Kind.SECURE_VALUE, reader=stores.reader),
        lists=Lists(
            kind=Kind.SECURE_VALUE,
            pages=stores.secure_value_pages,
            changes=stores.secure_value_changes,
        ),
        edits=SecureValueEdits(
            transactions=stores.transactions, reader=stores.reader, clock=SystemClock()
        ),
    )
    add = secure_values_pb2_grpc.add_SecureValuesServicer_to_server
    return Service(secure_values.SERVICE, add, servicer)


def _for_the_vault(
    config: Config, authenticator: Authenticator, stores: PostgresStores
) -> Service:
    retention = timedelta(seconds=config.idempotency_retention_seconds)
    servicer = VaultPeerServicer(
        authenticator=authenticator,
        prepare=PrepareWrite(
            reader=stores.reader,
            keepers=stores.keepers,
            idempotency=stores.idempotency,
            clock=SystemClock(),
            new_id=uuid4,
            random_bytes=secrets.token_bytes,
            idempotency_retention=retention,
        ),
        claim=ClaimWrite(
            transactions=stores.transactions,
            clock=SystemClock(),
            idempotency_retention=retention,
        ),
        names=ResolveNames(stores.reader),
        values=ValueFates(stores.transactions),
    )
    add = vault_peer_pb2_grpc.add_VaultPeerServicer_to_server
    return Service(vault_peer.SERVICE, add, servicer, frozenset(config.vault_sans))
