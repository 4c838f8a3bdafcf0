"""Under xdist, all tests that need a Docker engine run in one process, one after the other.

They share one engine, and the engine of the tests' own serves one process at a time. Every
other test is distributed as `--dist loadfile` does.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.scheduler.protocol import Scheduling

FOLDERS = ("tests/e2e/compose/", "tests/integration/testcontainers/")


class OneProcessForDocker(LoadFileScheduling):  # type: ignore[misc]  # xdist is untyped
    """See the module."""

    def _split_scope(self, nodeid: str) -> str:
        return "docker" if nodeid.startswith(FOLDERS) else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """The scheduler, where files are to stay together; else whatever was asked for."""
    if config.getvalue("dist") != "loadfile":
        return None
    return OneProcessForDocker(config, log)
