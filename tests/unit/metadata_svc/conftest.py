"""The application in memory."""

import pytest

from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import ManualClock
from tests.fakes.metadata_svc.stores import FakeDatabase, fake_stores


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def fake(clock: ManualClock) -> FakeDatabase:
    return FakeDatabase(clock)


@pytest.fixture
def stores(fake: FakeDatabase) -> Stores:
    return fake_stores(fake)


@pytest.fixture
def application(stores: Stores, clock: ManualClock) -> Application:
    return Application(stores, clock=clock)
