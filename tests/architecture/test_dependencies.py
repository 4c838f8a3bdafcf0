"""What may be installed, what is locked, and what docs/dependencies.md says about both."""

import re
import tomllib
from pathlib import Path

import pytest

from chassis.fast_accept import TESTED_VERSIONS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGE = (ROOT / "docs/dependencies.md").read_text()
LOCKS = sorted((ROOT / "requirements").glob("[!p]*.lock"))
SET = ("grpcio", "grpcio-health-checking", "grpcio-reflection", "grpcio-status")


def bounds(requirements: list[str]) -> dict[str, str]:
    """Each package's bounds, without the systems that it is for."""
    parts = (re.fullmatch(r"([\w-]+)([^;]*)(;.*)?", given) for given in requirements)
    return {part[1]: part[2].strip() for part in parts if part}


def locked(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w-]+)==(\S+)", lock.read_text(), re.MULTILINE))


DIRECT = bounds(PROJECT["dependencies"]) | bounds(PROJECT["optional-dependencies"]["local"])


def test_the_page_names_every_direct_dependency_and_its_bounds() -> None:
    rows = re.findall(r"^\| ([\w-]+) \| `([^`]+)` \|", PAGE, re.MULTILINE)

    assert dict(rows) == DIRECT


def test_no_version_is_the_only_one_that_may_be_installed() -> None:
    assert [name for name, allowed in DIRECT.items() if "==" in allowed] == []


def test_the_lower_bound_is_what_the_generated_code_refuses_to_go_below() -> None:
    texts = [path.read_text() for path in (ROOT / "protos").rglob("*_pb2*.py")]
    grpc = set(re.findall(r"GRPC_GENERATED_VERSION = '(.+)'", "".join(texts)))
    numbers = r"PUBLIC,\s+(\d+),\s+(\d+),\s+(\d+),"
    protobuf = {".".join(found) for found in re.findall(numbers, "".join(texts))}

    assert [f">={version},<2" for version in grpc] == [DIRECT["grpcio"]]
    assert [f">={version},<8" for version in protobuf] == [DIRECT["protobuf"]]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_has_one_grpcio_set_for_which_the_fast_mode_was_tested(lock: Path) -> None:
    versions = locked(lock)

    assert {versions[name] for name in SET} <= TESTED_VERSIONS
    assert len({versions[name] for name in SET}) == 1


def test_the_locks_agree_with_each_other() -> None:
    run, *others = (
        locked(ROOT / f"requirements/{name}.lock") for name in ("run", "local", "dev")
    )

    assert [other | run for other in others] == others


def test_every_command_of_the_page_is_one_that_tests_run() -> None:
    """The first makes the environment of test_newest_grpcio.py; the second is how it is run."""
    blocks = re.findall(r"^ *```sh\n *(.*?)\n *```$", PAGE, re.MULTILINE | re.DOTALL)

    assert len(blocks) == 2
    assert blocks[0].startswith("python -m pip install --upgrade grpcio ")
    assert blocks[1].endswith("python3 -m splitkeep test tests/e2e/test_newest_grpcio.py")
