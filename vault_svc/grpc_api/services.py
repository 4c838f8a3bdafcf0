"""The services of the client port, under their wire names."""

from typing import cast

from chassis.grpc_server import Service
from protos.decryptv1 import decrypt_pb2 as decryptv1
from protos.decryptv1 import decrypt_pb2_grpc as decryptv1_grpc
from protos.decryptv1beta1 import decrypt_pb2 as decryptv1beta1
from protos.decryptv1beta1 import decrypt_pb2_grpc as decryptv1beta1_grpc
from protos.splitkeep.vault.v1 import decrypter_pb2_grpc, secure_values_pb2_grpc
from vault_svc.grpc_api.decrypter import Decrypter
from vault_svc.grpc_api.grafana import GrafanaDecrypter, Messages
from vault_svc.grpc_api.secure_values import SecureValues
from vault_svc.use_cases.decrypt import DecryptSecureValues
from vault_svc.use_cases.writes import Writes

SERVICE_NAMES = frozenset(
    {
        "decryptv1.SecureValueDecrypter",
        "decryptv1beta1.SecureValueDecrypter",
        "splitkeep.vault.v1.Decrypter",
        "splitkeep.vault.v1.SecureValues",
    }
)


def services(decrypt: DecryptSecureValues, writes: Writes) -> tuple[Service, ...]:
    """Every service of the port; each caller is established by token alone."""
    return (
        Service(
            "decryptv1beta1.SecureValueDecrypter",
            decryptv1beta1_grpc.add_SecureValueDecrypterServicer_to_server,
            GrafanaDecrypter(cast(Messages, decryptv1beta1), decrypt),
        ),
        Service(
            "decryptv1.SecureValueDecrypter",
            decryptv1_grpc.add_SecureValueDecrypterServicer_to_server,
            GrafanaDecrypter(cast(Messages, decryptv1), decrypt),
        ),
        Service(
            "splitkeep.vault.v1.Decrypter",
            decrypter_pb2_grpc.add_DecrypterServicer_to_server,
            Decrypter(decrypt),
        ),
        Service(
            "splitkeep.vault.v1.SecureValues",
            secure_values_pb2_grpc.add_SecureValuesServicer_to_server,
            SecureValues(writes),
        ),
    )
