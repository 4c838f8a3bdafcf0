"""The newest grpcio serves as the locked one does, in a mode that it allows.

In an environment of its own: the tests of the gRPC server and of the decrypt contract. Every
run takes the short ones; SPLITKEEP_TEST_NEWEST_GRPCIO=full, as in `make acceptance`, takes all.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.figures import record
from tests.e2e.newest_grpcio.environment import NoIndexError, copy_tree, make, version
from tests.e2e.stack import ROOT

FULL = os.environ.get("SPLITKEEP_TEST_NEWEST_GRPCIO") == "full"
CHASSIS = Path("tests/integration/chassis")
SHORT = ("accept_modes", "lasting_server", "malformed_paths", "refusals")
LONG = (
    *SHORT,
    *("accepting", "admission", "connection_bounds", "flood_control", "grpc_core_output"),
    *("grpc_server", "held_streams", "open_ended_streams", "overload", "packed_messages"),
    *("peers", "readiness", "reconnecting", "request_trailers", "tls_resumption"),
    *("waiting_calls", "workers"),
)
CONTRACT = "tests/e2e/test_decrypt_contract.py"
FIRST_STORY = f"{CONTRACT}::test_one_call_answers_a_value_a_refusal_and_a_missing_name"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the newest grpcio set."""
    try:
        return make(tmp_path_factory.mktemp("newest") / "environment")
    except NoIndexError:
        pytest.skip("needs an index of packages to install the newest grpcio: pip reaches none")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_tree(tmp_path_factory.mktemp("tree") / "splitkeep")


def run(python: Path, tree: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """pytest in that environment and tree, as if nobody ran it from here."""
    environ = {name: text for name, text in os.environ.items() if "PYTEST" not in name}
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *tests]
    return subprocess.run(
        command, cwd=tree, env=environ, check=False, capture_output=True, text=True
    )


@pytest.mark.slow
@pytest.mark.timeout(1_800 if FULL else 400)
def test_the_newest_grpcio_serves_as_the_locked_one_does(python: Path, tree: Path) -> None:
    files = [str(CHASSIS / f"test_{name}.py") for name in (LONG if FULL else SHORT)]

    done = run(python, tree, *files, CONTRACT if FULL else FIRST_STORY)

    assert done.returncode == 0, f"grpcio {version(python)}: {done.stdout[-8_000:]}"
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    record("the newest grpcio", {"tests passed": int(passed[1])})


def test_a_stack_of_the_tree_runs_in_the_new_environment(python: Path, tree: Path) -> None:
    program = (
        "import sys\n"
        "from splitkeep.environment import enter\n"
        "enter(['dev'])\n"  # it replaces the process if it moves
        "print(sys.prefix)\n"
    )

    told = subprocess.run(
        [python, "-c", program], cwd=tree, check=True, capture_output=True, text=True
    )

    assert Path(told.stdout.strip()) == python.parents[1]


@pytest.mark.timeout(120)
def test_a_process_with_an_unknown_grpcio_says_once_that_it_serves_in_the_standard_mode(
    python: Path,
) -> None:
    program = (
        "from chassis.accept_mode import AcceptMode\n"
        "from chassis.accept_modes import new_server\n"
        "import asyncio\n"
        "async def main():\n"
        "    for _ in range(2):\n"
        "        print(type(new_server(AcceptMode.AUTO, ()).server).__module__)\n"
        "asyncio.run(main())\n"
    )

    done = subprocess.run(
        [python, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )

    warned = [line for line in done.stdout.splitlines() if "warning" in line]
    assert done.stdout.count("grpc.aio._server") == 2
    assert len(warned) == 1
    assert version(python) in warned[0]


def test_the_report_about_a_path_that_ends_the_server_is_true(
    python: Path, tmp_path: Path
) -> None:
    page = (ROOT / "docs/upstream/a-path-ends-the-server.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "reproduction.py"
    path.write_text(program)

    said = [
        subprocess.run(
            [interpreter, path], check=True, capture_output=True, text=True, timeout=30
        ).stdout
        for interpreter in (sys.executable, python)
    ]

    assert "the server goes on" in said[0]
    newest = version(python)
    if newest not in page:
        pytest.skip(f"the report does not name grpcio {newest}, with which it says: {said[1]}")
    assert "the server has ended" in said[1]
