"""One Docker engine for all tests that need one: found, or started and stopped by the run.

SPLITKEEP_TEST_DOCKER=1 makes a missing engine an error and lets the tools be installed;
SPLITKEEP_TEST_DOCKER=0 leaves Docker alone. Unset, an engine is used where one can be had, and
one line says why it cannot. SPLITKEEP_TEST_CACHE moves what later runs reuse.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import pytest

from tests.e2e.compose.engine.base_images import BaseImages, base_images
from tests.e2e.compose.engine.docker import CommandError, Engine, EngineError, run
from tests.e2e.compose.engine.dockerd import install_tools, missing_tools, own_engine
from tests.e2e.compose.engine.tools import compose_answers, docker_configuration


def cache_folder() -> Path:
    """Where images, wheels and tools outlive a run."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("SPLITKEEP_TEST_CACHE") or Path(home, "splitkeep", "docker"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[Engine]:
    """A Docker engine with Compose v2."""
    with ExitStack() as resources:
        try:
            engine = _engine(resources)
        except EngineError as problem:
            _give_up(f"no Docker engine: {problem}")
        yield engine


@pytest.fixture(scope="session")
def base(docker_engine: Engine) -> BaseImages:
    """The base images, in the engine."""
    try:
        return base_images(docker_engine)
    except EngineError as problem:
        _give_up(str(problem))


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("SPLITKEEP_TEST_DOCKER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _engine(resources: ExitStack) -> Engine:
    wish = os.environ.get("SPLITKEEP_TEST_DOCKER")
    if wish == "0":
        raise EngineError("SPLITKEEP_TEST_DOCKER=0")
    found = _found_engine()
    if found is not None:
        return found
    if sys.platform != "linux" or os.geteuid() != 0:
        raise EngineError("none answers, and only root on Linux can start one")
    if missing_tools() and (wish == "1" or os.environ.get("CI") == "true"):
        install_tools()
    if missing_tools():
        raise EngineError(f"none answers, and to start one needs {', '.join(missing_tools())}")
    cache = cache_folder()
    return resources.enter_context(own_engine(cache, docker_configuration(cache)))


def _found_engine() -> Engine | None:
    if shutil.which("docker") is None:
        return None
    try:
        run(["docker", "version"], seconds=20)
    except CommandError:
        return None
    if compose_answers():
        return Engine(environment={})
    return Engine(environment={"DOCKER_CONFIG": str(docker_configuration(cache_folder()))})
