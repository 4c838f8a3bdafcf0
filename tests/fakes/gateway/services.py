"""Both services in one process's memory, as far as their protos promise it to the gateway.

Raised errors are the vocabulary's; the chassis makes them statuses, as for the real services.
"""

from chassis.grpc_server import EVERY_METHOD, Service
from gateway.clients.access import ACCESS_SERVICE
from gateway.clients.keepers import KEEPERS_SERVICE
from gateway.clients.secure_values import METADATA_SERVICE, VAULT_SERVICE
from protos.splitkeep.metadata.v1 import access_pb2_grpc, keepers_pb2_grpc
from protos.splitkeep.metadata.v1 import secure_values_pb2_grpc as metadata_grpc
from protos.splitkeep.vault.v1 import secure_values_pb2_grpc as vault_grpc
from tests.fakes.gateway.access import AccessServicer
from tests.fakes.gateway.keepers import KeepersServicer
from tests.fakes.gateway.secure_values import MetadataServicer, VaultServicer
from tests.fakes.gateway.store import ADMIN, CREATOR, DELETER, READER, WRITER, Store

__all__ = [
    "ADMIN",
    "CREATOR",
    "DELETER",
    "READER",
    "WRITER",
    "Store",
    "metadata_services",
    "vault_services",
]


def metadata_services(store: Store) -> tuple[Service, ...]:
    """What metadata's client port serves."""
    return (
        Service(
            METADATA_SERVICE,
            metadata_grpc.add_SecureValuesServicer_to_server,
            MetadataServicer(store),
            without_token=EVERY_METHOD,
        ),
        Service(
            KEEPERS_SERVICE,
            keepers_pb2_grpc.add_KeepersServicer_to_server,
            KeepersServicer(store),
            without_token=EVERY_METHOD,
        ),
        Service(
            ACCESS_SERVICE,
            access_pb2_grpc.add_AccessServicer_to_server,
            AccessServicer(store),
            without_token=EVERY_METHOD,
        ),
    )


def vault_services(store: Store) -> tuple[Service, ...]:
    """What the vault's client port serves."""
    return (
        Service(
            VAULT_SERVICE,
            vault_grpc.add_SecureValuesServicer_to_server,
            VaultServicer(store),
            without_token=EVERY_METHOD,
        ),
    )
