"""One Postgres container per service, as an operator's own would be."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.e2e.compose.engine.base_images import BaseImages
from tests.e2e.compose.engine.docker import Engine

# Every test makes and drops a database; none of it has to survive anything.
FORGETFUL = "postgres -c fsync=off -c synchronous_commit=off -c full_page_writes=off"


@dataclass(frozen=True, slots=True)
class Servers:
    """The variables that tell the tests of a service where its Postgres is."""

    environment: dict[str, str]


@pytest.fixture(scope="session")
def servers(docker_engine: Engine, base: BaseImages) -> Iterator[Servers]:
    """Two Postgres containers that answer, gone afterwards."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as running:
        for name, value in docker_engine.environment.items():
            patch.setenv(name, value)
        # Imported here: the library reads these variables when it is imported.
        from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

        # Its reaper is one more image to pull; the containers end with this fixture.
        patch.setattr(testcontainers_config, "ryuk_disabled", True)
        found = {}
        for service in ("METADATA", "VAULT"):
            container = PostgresContainer(base.postgres, driver=None).with_command(FORGETFUL)
            postgres = running.enter_context(container)
            running.callback(postgres.get_docker_client().client.close)
            found[f"SPLITKEEP_TEST_{service}_DSN"] = postgres.get_connection_url()
        yield Servers(environment={**os.environ, **found})
