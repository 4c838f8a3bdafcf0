"""How many connections the limit on open files leaves."""

import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from chassis.descriptors import connection_limits

RAISED = """
import resource
from chassis.descriptors import raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512))
raise_descriptor_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.fixture
def a_limit_of_1024() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    told = subprocess.run(
        [sys.executable, "-c", RAISED], capture_output=True, check=True, text=True
    )

    assert told.stdout.split() == ["512", "512"]


@pytest.mark.usefixtures("a_limit_of_1024")
def test_what_is_wanted_is_allowed_while_descriptors_are_left() -> None:
    with capture_logs() as lines:
        assert connection_limits({"clients": 400, "peer": 400}) == {"clients": 400, "peer": 400}

    assert lines == []


@pytest.mark.usefixtures("a_limit_of_1024")
def test_descriptors_are_kept_back_and_a_lower_limit_is_told_in_one_sentence() -> None:
    with capture_logs() as lines:
        limits = connection_limits({"clients": 1_000, "peer": 1_000}, database_connections=96)

    assert limits == {"clients": 400, "peer": 400}
    (line,) = lines
    assert line["log_level"] == "warning"
    assert "limit on open files" in line["event"]


@pytest.mark.usefixtures("a_limit_of_1024")
def test_a_database_with_many_connections_leaves_a_fourth_for_clients() -> None:
    assert connection_limits({"gateway": 1_000}, database_connections=1_000) == {"gateway": 256}
