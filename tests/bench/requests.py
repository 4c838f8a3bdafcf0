"""What is sent: one name, many names, and new values."""

import random
from collections.abc import Sequence

from protos.decryptv1beta1.decrypt_pb2 import SecureValueDecryptRequest
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from protos.splitkeep.vault.v1.secure_values_pb2 import UpdateSecureValueRequest
from tests.bench.seed import WRITTEN, value_of, written_name
from tests.bench.under_test import DECRYPTER, NAMESPACE

DECRYPT = "decryptv1beta1.SecureValueDecrypter/DecryptSecureValues"
UPDATE = "splitkeep.vault.v1.SecureValues/UpdateSecureValue"
DRAWN = 200  # messages to draw from


def decrypt_messages(every: Sequence[str], names: int) -> list[SecureValueDecryptRequest]:
    """Requests for so many of the names each, drawn at random."""
    return [
        SecureValueDecryptRequest(namespace=NAMESPACE, names=random.sample(every, names))
        for _ in range(DRAWN)
    ]


def write_messages() -> list[UpdateSecureValueRequest]:
    """Requests that give a name of their own a new value."""
    return [
        UpdateSecureValueRequest(
            draft=SecureValueDraft(
                namespace=NAMESPACE,
                name=written_name(number),
                description="written under load",
                decrypters=[DECRYPTER],
            ),
            value=value_of(written_name(number)).encode(),
        )
        for number in range(WRITTEN)
    ]
