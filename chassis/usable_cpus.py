"""How many processors this process may keep busy, by its affinity and its cgroups' quotas."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_V2_MOUNT = "sys/fs/cgroup"
_V1_MOUNTS = ("sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct")


def usable_cpus(root: Path = Path("/")) -> int:
    """Whole processors, at least 1. `root` is where proc and sys are mounted."""
    return max(1, int(min((float(_affinity()), *_quotas(root)))))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """In processors, of each group that this process is in and of those around it."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if not controllers:
                yield from _v2_quotas(root / _V2_MOUNT, group)
            elif "cpu" in controllers.split(","):
                for mount in _V1_MOUNTS:
                    yield from _v1_quotas(root / mount, group)


def _v2_quotas(mount: Path, group: str) -> Iterator[float]:
    for folder in _around(mount, group):
        with suppress(OSError, ValueError):  # "max" is no quota
            quota, period = (folder / "cpu.max").read_text().split()
            yield float(quota) / float(period)


def _v1_quotas(mount: Path, group: str) -> Iterator[float]:
    for folder in _around(mount, group):
        with suppress(OSError, ValueError):
            quota = float((folder / "cpu.cfs_quota_us").read_text())
            period = float((folder / "cpu.cfs_period_us").read_text())
            if quota > 0:
                yield quota / period


def _around(mount: Path, group: str) -> Iterator[Path]:
    """The group's folder and all above it. In a container only the mount itself may exist."""
    folder = mount / group.lstrip("/")
    while folder != mount and mount in folder.parents:
        yield folder
        folder = folder.parent
    yield mount
