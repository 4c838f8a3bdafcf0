"""One stack for all stories; a test that breaks a stack starts its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack that tests share: they use names of their own."""
    with Stack(tmp_path_factory.mktemp("e2e") / "state") as running:
        yield running


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A running stack that this test may kill, stall and break."""
    with Stack(tmp_path / "state") as running:
        yield running
