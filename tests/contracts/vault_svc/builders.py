"""Rows for the contract suites of the stores."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from vault_svc.domain.keyring import DataKeyState, ReplacementRule, WrappedDataKey
from vault_svc.domain.sealing import SealedValue
from vault_svc.ports.data_keys import DataKeyStore
from vault_svc.ports.values import ValueKey

START = datetime(2026, 1, 1, tzinfo=UTC)
RULE = ReplacementRule(maximum_age_seconds=100, maximum_wraps=10, wraps_per_reservation=4)
LATER = START + timedelta(seconds=50)
WHEN_TOO_OLD = START + timedelta(seconds=100)


def a_data_key(namespace: str = "team-a", kek_id: str = "kek-1") -> WrappedDataKey:
    return WrappedDataKey(
        namespace=namespace,
        data_key_id=uuid4(),
        kek_id=kek_id,
        state=DataKeyState.ACTIVE,
        wrapped_key=b"wrapped" + uuid4().bytes,
    )


def a_value_key(namespace: str = "team-a") -> ValueKey:
    return ValueKey(namespace, uuid4())


def a_sealed_value(data_key_id: UUID, *, size_bytes: int = 40) -> SealedValue:
    return SealedValue(data_key_id, b"wrapped" + uuid4().bytes, b"s" * size_bytes)


async def an_active_key(
    keys: DataKeyStore, namespace: str = "team-a", kek_id: str = "kek-1"
) -> WrappedDataKey:
    key = a_data_key(namespace, kek_id)
    assert await keys.activate(key, RULE, START)
    return key
