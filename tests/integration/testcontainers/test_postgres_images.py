"""Migrations and stores on the Postgres that an image brings, not on the embedded one."""

import re
import sys

import pytest

from tests.e2e.compose.engine.docker import Engine
from tests.e2e.compose.production import ROOT
from tests.integration.testcontainers.conftest import Servers

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

STORES = (
    "tests/integration/metadata_svc/test_postgres_stores.py",
    "tests/integration/vault_svc/test_postgres.py",
)


@pytest.mark.parametrize("module", STORES)
def test_the_stores_keep_their_contracts_in_a_container(
    docker_engine: Engine, servers: Servers, module: str
) -> None:
    # A run of its own, because the published ports may be in another network namespace.
    pytest_run = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", module)

    printed = docker_engine.reach(*pytest_run, environment=servers.environment, directory=ROOT)

    (summary,) = re.findall(r"^(?:=+ )?(\d+) passed in ", printed, flags=re.MULTILINE)
    assert int(summary) > 0
