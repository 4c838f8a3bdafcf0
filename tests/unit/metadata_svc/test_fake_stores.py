"""The fakes keep the promises of the ports."""

from tests.contracts.metadata_svc.changes import ChangesContract
from tests.contracts.metadata_svc.history import HistoryContract
from tests.contracts.metadata_svc.idempotency import IdempotencyContract
from tests.contracts.metadata_svc.keepers import KeepersContract
from tests.contracts.metadata_svc.pages import PagesContract
from tests.contracts.metadata_svc.reader import ReaderContract
from tests.contracts.metadata_svc.secure_value_store import SecureValueStoreContract
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
    pass


class TestPages(PagesContract):
    pass


class TestChanges(ChangesContract):
    pass


class TestIdempotency(IdempotencyContract):
    pass
