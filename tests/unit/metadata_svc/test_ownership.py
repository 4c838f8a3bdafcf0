"""What writes leave of who set which fields, in memory."""

import pytest

from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.ownership import OwnershipContract
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import ManualClock


@pytest.fixture
def keeping(stores: Stores, clock: ManualClock) -> Keeping:
    return Keeping(stores, clock=clock)


class TestOwnership(OwnershipContract):
    pass
