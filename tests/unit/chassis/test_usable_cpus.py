"""The processors that may be used: affinity, and the quota of any group around the process."""

import os
from pathlib import Path

import pytest

from chassis.usable_cpus import usable_cpus


@pytest.fixture(autouse=True)
def _sixteen_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(16)), raising=False)


def a_machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    """Where proc and sys say so."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_without_a_quota_every_processor_of_the_affinity_counts(tmp_path: Path) -> None:
    machine = a_machine(tmp_path, "0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"})

    assert usable_cpus(machine) == 16


def test_without_groups_every_processor_of_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == 16


@pytest.mark.parametrize(
    ("quota", "processors"),
    [("400000 100000", 4), ("350000 100000", 3), ("50000 100000", 1), ("9900000 100000", 16)],
    ids=["whole", "rounded down", "at least one", "no more than there are"],
)
def test_a_quota_is_so_many_processors(tmp_path: Path, quota: str, processors: int) -> None:
    machine = a_machine(tmp_path, "0::/\n", {"sys/fs/cgroup/cpu.max": quota})

    assert usable_cpus(machine) == processors


def test_the_quota_of_a_group_around_it_counts_too(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/system.slice/a.service/cpu.max": "max 100000",
        "sys/fs/cgroup/system.slice/cpu.max": "200000 100000",
    }
    machine = a_machine(tmp_path, "0::/system.slice/a.service\n", files)

    assert usable_cpus(machine) == 2


def test_a_container_sees_its_quota_at_the_mount_itself(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/cpu.max": "300000 100000"}
    machine = a_machine(tmp_path, "0::/docker/of-the-host\n", files)

    assert usable_cpus(machine) == 3


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_groups_of_the_first_version_count(tmp_path: Path, mount: str) -> None:
    groups = "5:memory:/m\n4:cpu,cpuacct:/a\n0::/\n"
    files = {
        f"sys/fs/cgroup/{mount}/a/cpu.cfs_quota_us": "200000",
        f"sys/fs/cgroup/{mount}/a/cpu.cfs_period_us": "100000",
        f"sys/fs/cgroup/{mount}/cpu.cfs_quota_us": "-1",
        f"sys/fs/cgroup/{mount}/cpu.cfs_period_us": "100000",
    }

    assert usable_cpus(a_machine(tmp_path, groups, files)) == 2
