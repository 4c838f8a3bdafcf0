"""What the use cases of keepers promise, on Postgres."""

import pytest

from tests.contracts.metadata_svc.keeper_writes import KeeperWritesContract
from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.stores import Stores


@pytest.fixture
def keeping(stores: Stores) -> Keeping:
    return Keeping(stores)


class TestKeeperWrites(KeeperWritesContract):
    pass
