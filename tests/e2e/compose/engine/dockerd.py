"""A Docker engine of the tests' own, in a network namespace of its own.

Bridges, NAT rules and published ports stay inside the namespace; this machine's own network
is not touched. `nsenter` and not `ip netns exec`: the latter mounts /sys anew, and without
the cgroup mounts below it the engine does not start.

One engine at a time: whoever holds the lock of the cache folder also owns its images, and
cleans up after an owner that was killed.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.e2e.compose.engine.docker import CommandError, Engine, EngineError, run

TOOLS = ("docker", "dockerd", "iptables", "ip", "nsenter", "setpriv", "mmdebstrap")
PACKAGES = ("docker.io", "iptables", "mmdebstrap", "iproute2", "util-linux")
START_SECONDS = 60
STOP_SECONDS = 60
POLL_SECONDS = 0.1


def missing_tools() -> tuple[str, ...]:
    """The commands an own engine needs and this machine lacks."""
    return tuple(tool for tool in TOOLS if shutil.which(tool) is None)


def install_tools() -> None:
    """Every command that an own engine needs is there, from Debian's packages.

    Raises:
        EngineError: they cannot be installed.
    """
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(["apt-get", "update", "-q"], environment=quiet)
        run(install, environment=quiet)
    except CommandError as problem:
        raise EngineError(f"cannot install {', '.join(PACKAGES)}: {problem}") from None


@contextmanager
def own_engine(cache: Path, configuration: Path) -> Iterator[Engine]:
    """An engine that keeps its images under `cache`; nothing of it runs afterwards.

    Args:
        cache: survives, for the next run.
        configuration: the folder of the docker command's configuration and plug-ins.

    Raises:
        EngineError: it does not start; the message ends with the last lines of its log.
    """
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _bury(cache)
        # Short, because the paths of sockets are; in memory, because nothing here stays.
        work = Path(tempfile.mkdtemp(prefix="skd-", dir="/run"))
        _remember(cache, work)
        try:
            inside = _network(work.name)
            with _process(cache, work, inside) as process:
                engine = Engine(
                    environment={
                        "DOCKER_HOST": _socket(work),
                        "DOCKER_CONFIG": str(configuration),
                    },
                    inside=inside,
                    offline=True,
                )
                _await_answer(engine, process, work / "log")
                _clear(engine)
                yield engine
                _clear(engine)
        finally:
            _bury(cache)


def _network(namespace: str) -> tuple[str, ...]:
    inside = ("nsenter", f"--net=/run/netns/{namespace}")
    try:
        run(["ip", "netns", "add", namespace])
        run([*inside, "ip", "link", "set", "lo", "up"])
    except CommandError as problem:
        raise EngineError(f"no network namespace: {problem}") from None
    return inside


def _socket(work: Path) -> str:
    return f"unix://{work}/docker.sock"


@contextmanager
def _process(
    cache: Path, work: Path, inside: tuple[str, ...]
) -> Iterator["subprocess.Popen[bytes]"]:
    command = (
        # The engine ends with the test run, also when that one is killed.
        *("setpriv", "--pdeathsig", "TERM", *inside, "dockerd"),
        *("--data-root", str(cache / "data"), "--exec-root", str(work / "exec")),
        *("--pidfile", str(work / "pid"), "--host", _socket(work)),
        # The namespace leads nowhere: no need to wait for names that no container has.
        *("--dns", "127.0.0.1", "--dns-opt", "timeout:1", "--dns-opt", "attempts:1"),
    )
    with (work / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _remember(cache, work, process.pid)
    try:
        yield process
    finally:
        _stop(process.pid)
        process.wait()


def _await_answer(engine: Engine, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(CommandError):
            engine.docker("info", seconds=START_SECONDS)
            return
        time.sleep(POLL_SECONDS)  # an engine gives no other sign of being ready
    tail = log.read_text(errors="replace").splitlines()[-5:]
    raise EngineError("dockerd does not start: " + " | ".join(tail))


def _clear(engine: Engine) -> None:
    """No container, volume or network of an earlier run is left; the images stay."""
    containers = engine.docker("ps", "--all", "--quiet").split()
    if containers:
        engine.docker("rm", "--force", "--volumes", *containers)
    engine.docker("volume", "prune", "--force")
    engine.docker("network", "prune", "--force")
    engine.docker("image", "prune", "--force")
    engine.docker("builder", "prune", "--force", "--filter", "until=168h")


def _remember(cache: Path, work: Path, pid: int | None = None) -> None:
    (cache / "owner.json").write_text(json.dumps({"work": str(work), "pid": pid}))


def _bury(cache: Path) -> None:
    """Nothing of the engine that `owner.json` tells of is left: process, mounts, namespace."""
    record = cache / "owner.json"
    if not record.exists():
        return
    owner = json.loads(record.read_text())
    work = Path(owner["work"])
    if owner["pid"] is not None and _is_engine_of(owner["pid"], work):
        _stop(owner["pid"])
    for mounted in _mounts_in(work, cache / "data"):
        run(["umount", "--lazy", mounted])
    with suppress(CommandError):
        run(["ip", "netns", "delete", work.name])
    shutil.rmtree(work, ignore_errors=True)
    record.unlink()


def _is_engine_of(pid: int, work: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(work / "pid").encode() in words


def _stop(pid: int) -> None:
    # dockerd stops its containers and containerd; the session is killed if it does not.
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    return Path(f"/proc/{pid}").exists()


def _mounts_in(*folders: Path) -> list[str]:
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    below = tuple(f"{folder}/" for folder in folders)
    return sorted((p for p in points if f"{p}/".startswith(below)), reverse=True)
