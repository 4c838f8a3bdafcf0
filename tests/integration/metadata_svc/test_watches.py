"""What watches promise, on Postgres."""

import pytest

from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.stores import Stores
from tests.contracts.metadata_svc.watches import WatchesContract


@pytest.fixture
def keeping(stores: Stores) -> Keeping:
    return Keeping(stores)


class TestWatches(WatchesContract):
    pass
