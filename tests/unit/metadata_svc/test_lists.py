"""What lists and deletes of what is selected promise, in memory."""

import pytest

from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.lists import DeletePagesContract, ListsContract, shelf
from tests.contracts.metadata_svc.stores import Stores

__all__ = ["shelf"]


@pytest.fixture
def keeping(stores: Stores) -> Keeping:
    return Keeping(stores)


class TestLists(ListsContract):
    pass


class TestDeletePages(DeletePagesContract):
    pass
