"""The fakes keep the promises of the ports."""

import pytest

from tests.contracts.metadata_svc.history import HistoryContract
from tests.contracts.metadata_svc.keepers import KeepersContract
from tests.contracts.metadata_svc.reader import ReaderContract
from tests.contracts.metadata_svc.secure_value_store import SecureValueStoreContract
from tests.contracts.metadata_svc.stores import Stores
from tests.contracts.metadata_svc.transactions import TransactionsContract
from tests.contracts.metadata_svc.value_id_store import ValueIdStoreContract
from tests.fakes.metadata_svc.stores import (
    FakeDatabase,
    FakeKeeperReader,
    FakeReader,
    FakeTransactions,
)


def fake_stores(database: FakeDatabase) -> Stores:
    async def add_keeper(namespace: str, name: str, active: bool) -> None:  # noqa: FBT001  # as Stores says
        database.add_keeper(namespace, name, active=active)

    return Stores(
        FakeTransactions(database),
        FakeReader(database),
        FakeKeeperReader(database),
        add_keeper,
    )


@pytest.fixture
def stores() -> Stores:
    return fake_stores(FakeDatabase())


class TestSecureValueStore(SecureValueStoreContract):
    pass


class TestValueIdStore(ValueIdStoreContract):
    pass


class TestKeepers(KeepersContract):
    pass


class TestHistory(HistoryContract):
    pass


class TestTransactions(TransactionsContract):
    pass


class TestReader(ReaderContract):
    pass
