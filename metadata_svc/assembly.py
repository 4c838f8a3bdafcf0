"""What serves and what works beside it, put together on one database."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from chassis.clock import SystemClock
from chassis.grpc_server import Service
from chassis.identity import Authenticator, JwtVerifier, load_issuers
from chassis.postgres import Database
from metadata_svc.config import Config
from metadata_svc.domain.resource import Kind
from metadata_svc.grpc_api import secure_values, vault_peer
from metadata_svc.grpc_api.secure_values import SecureValuesServicer
from metadata_svc.grpc_api.vault_peer import VaultPeerServicer
from metadata_svc.postgres.stores import PostgresStores
from metadata_svc.use_cases.claim import ClaimWrite
from metadata_svc.use_cases.edits import SecureValueEdits
from metadata_svc.use_cases.lists import Lists
from metadata_svc.use_cases.prepare import PrepareWrite
from metadata_svc.use_cases.reads import SecureValueReads
from metadata_svc.use_cases.resolve import ResolveNames
from metadata_svc.use_cases.trim import TrimHistory, TrimOutcomes
from metadata_svc.use_cases.values import ValueFates
from protos.splitkeep.metadata.v1 import secure_values_pb2_grpc, vault_peer_pb2_grpc


@dataclass(frozen=True, slots=True)
class Parts:
    """One gRPC service per port, and the steps of the worker."""

    clients: Service
    peer: Service
    history: TrimHistory
    outcomes: TrimOutcomes


def assemble(config: Config, database: Database) -> Parts:
    """Everything, ready to be served.

    Raises IssuersFileError if the issuers' file is not usable.
    """
    stores = PostgresStores.on(database)
    authenticator = Authenticator(JwtVerifier(load_issuers(config.issuers), SystemClock()))
    changes_retention = timedelta(seconds=config.changes_retention_seconds)
    outcome_retention = timedelta(seconds=config.outcome_retention_seconds)
    return Parts(
        clients=_for_clients(authenticator, stores),
        peer=_for_the_vault(authenticator, stores, frozenset(config.vault_sans)),
        history=TrimHistory(stores.transactions, changes_retention),
        outcomes=TrimOutcomes(stores.transactions, outcome_retention),
    )


def _for_clients(authenticator: Authenticator, stores: PostgresStores) -> Service:
    servicer = SecureValuesServicer(
        authenticator=authenticator,
        reads=SecureValueReads(stores.reader),
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
    authenticator: Authenticator, stores: PostgresStores, sans: frozenset[str]
) -> Service:
    servicer = VaultPeerServicer(
        authenticator=authenticator,
        prepare=PrepareWrite(
            reader=stores.reader,
            keepers=stores.keepers,
            clock=SystemClock(),
            new_id=uuid4,
            random_bytes=secrets.token_bytes,
        ),
        claim=ClaimWrite(transactions=stores.transactions, clock=SystemClock()),
        names=ResolveNames(stores.reader),
        values=ValueFates(stores.transactions),
    )
    add = vault_peer_pb2_grpc.add_VaultPeerServicer_to_server
    return Service(vault_peer.SERVICE, add, servicer, sans)
