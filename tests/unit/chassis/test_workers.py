"""How many workers there are, and when one that ended is replaced."""

import subprocess
import sys
from pathlib import Path

import pytest

from chassis import workers
from chassis.workers import pause_before_replacing, worker_count

ROOT = Path(__file__).resolve().parents[3]


def test_as_many_workers_as_are_asked_for() -> None:
    assert worker_count(11) == 11


@pytest.mark.parametrize(("processors", "count"), [(1, 1), (2, 2), (8, 8), (64, 8)])
def test_unasked_each_usable_processor_has_a_worker_up_to_eight(
    monkeypatch: pytest.MonkeyPatch, processors: int, count: int
) -> None:
    monkeypatch.setattr(workers, "usable_cpus", lambda: processors)

    assert worker_count(0) == count


def test_one_that_ended_is_replaced_at_once_and_then_more_and_more_slowly() -> None:
    assert [pause_before_replacing(ends) for ends in range(9)] == [0, 0, 1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize("service", ["metadata_svc", "vault_svc"])
def test_a_supervisor_loads_neither_grpc_nor_a_driver_nor_cryptography(service: str) -> None:
    heavy = "{'grpc', 'asyncpg', 'cryptography', 'google', 'starlette', 'uvicorn'}"
    program = f"import sys, {service}.__main__; print(sorted({heavy} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert done.stdout == "[]\n"
