"""Both services on freshly migrated databases."""

from collections.abc import AsyncIterator

import pytest

from chassis.postgres import Database
from chassis.sensitive import Sensitive
from tests.faults.system.installation import Installation


@pytest.fixture
async def installation(
    metadata_dsn: Sensitive[str], vault_dsn: Sensitive[str]
) -> AsyncIterator[Installation]:
    metadata = await Database.connect(metadata_dsn, application_name="faults")
    vault = await Database.connect(vault_dsn, application_name="faults")
    try:
        yield Installation(metadata, vault)
    finally:
        await vault.close()
        await metadata.close()
