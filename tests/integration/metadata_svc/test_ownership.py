"""What writes leave of who set which fields, on Postgres."""

import pytest

from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.ownership import OwnershipContract
from tests.contracts.metadata_svc.stores import Stores


@pytest.fixture
def keeping(stores: Stores) -> Keeping:
    return Keeping(stores)


class TestOwnership(OwnershipContract):
    pass
