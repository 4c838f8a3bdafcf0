"""Postgres keeps the promises of the ports."""

import pytest

from tests.contracts.metadata_svc.changes import ChangesContract
from tests.contracts.metadata_svc.history import HistoryContract
from tests.contracts.metadata_svc.idempotency import IdempotencyContract
from tests.contracts.metadata_svc.keepers import KeepersContract
from tests.contracts.metadata_svc.pages import PagesContract
from tests.contracts.metadata_svc.reader import ReaderContract
from tests.contracts.metadata_svc.secure_value_store import SecureValueStoreContract
from tests.contracts.metadata_svc.stores import Stores
from tests.contracts.metadata_svc.transactions import TransactionsContract
from tests.contracts.metadata_svc.value_id_store import ValueIdStoreContract


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
    @pytest.mark.parametrize("asked", [[("default", "a b")], [("a", "b"), ("de fault", "a")]])
    async def test_a_name_that_cannot_be_stands_for_no_two_others(
        self, stores: Stores, asked: list[tuple[str, str]]
    ) -> None:
        with pytest.raises(ValueError, match="a space"):
            await stores.reader.locate(asked)


class TestPages(PagesContract):
    pass


class TestChanges(ChangesContract):
    pass


class TestIdempotency(IdempotencyContract):
    pass
