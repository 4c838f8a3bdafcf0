"""One production stack for all stories; a test may break it if it puts it together again."""

import secrets
import shutil
import socket
from collections.abc import Iterator

import pytest

from tests.e2e.compose.engine.base_images import BaseImages, python_version
from tests.e2e.compose.engine.docker import Engine
from tests.e2e.compose.engine.fixtures import cache_folder
from tests.e2e.compose.engine.tools import wheelhouse
from tests.e2e.compose.production import (
    NOTHING,
    SERVICES,
    Production,
    Section,
    copy_of_the_repository,
    documented,
    surroundings,
)


@pytest.fixture(scope="session")
def clone(
    docker_engine: Engine, base: BaseImages, tmp_path_factory: pytest.TempPathFactory
) -> Production:
    """A fresh copy of the repository, in which no command of the page has been run yet."""
    folder = copy_of_the_repository(tmp_path_factory.mktemp("compose") / "clone")
    # Where images had to be made, a package index is no more in reach of a build.
    if base.made:
        python = python_version(docker_engine, base)
        wheels = wheelhouse(cache_folder(), folder / "requirements" / "run.lock", python)
        shutil.copytree(wheels, folder / "wheelhouse")
    https_port, decrypt_port = (8080, 9402) if docker_engine.inside else _free_ports()
    project = f"splitkeep-test-{secrets.token_hex(4)}"
    return Production(
        engine=docker_engine,
        clone=folder,
        project=project,
        environment=surroundings(
            base,
            project=project,
            ports=(https_port, decrypt_port),
            wheels=base.made,
        ),
        https_port=https_port,
        decrypt_port=decrypt_port,
    )


@pytest.fixture(scope="session")
def production(clone: Production) -> Iterator[Production]:
    """The running stack; the page's own commands start it and take it away."""
    try:
        printed = clone.shell("exec 2>&1\n" + "\n".join(documented(Section.START)))
        # What is built here is asked of no registry.
        assert "Pulling" not in printed, printed
        assert clone.follow(Section.TRY).splitlines()[-1] == "correct horse"
        yield clone
        stop, remove = documented(Section.STOP)
        clone.shell(stop)
        codes = {name: clone.inspect(name)["State"]["ExitCode"] for name in SERVICES}
        clone.shell(remove)
        assert codes == dict.fromkeys(SERVICES, 0)  # none was killed: all drained in time
        assert clone.leftovers() == NOTHING
    finally:
        clone.compose("down", "--volumes", "--timeout", "5")
        clone.engine.docker("rmi", "--force", f"{clone.project}:latest")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
