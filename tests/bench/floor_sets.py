"""grpcio with its companions, installed where nothing else is, and whether our stubs accept it.

Generated stubs say which grpcio and protobuf they need and refuse to be imported otherwise; so
do those of health, reflection and status. A set agrees if all of them can be imported in it.
"""

import asyncio
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests.bench.running import ROOT

LATEST = "latest"
COMPANIONS = ("grpcio", "grpcio-health-checking", "grpcio-reflection", "grpcio-status")
COMPANIONS_STUBS = (
    "grpc_health.v1.health_pb2_grpc",
    "grpc_reflection.v1alpha.reflection_pb2_grpc",
    "grpc_status.rpc_status",
)
SHOWN_OF_AN_ERROR = 1_000


class SetNotMadeError(Exception):
    """The packages could not be installed; the text is the installer's own."""


@dataclass(frozen=True, slots=True)
class GrpcioSet:
    """A Python that has one version of grpcio and its companions."""

    grpcio: str
    python: Path
    agrees: bool


def pinned_set() -> GrpcioSet:
    """What this process itself runs on."""
    return GrpcioSet(version("grpcio"), Path(sys.executable), agrees=True)


async def make_sets(wanted: Sequence[str], folder: Path) -> list[GrpcioSet]:
    """The pinned set, then those wanted, newest names resolved. Raises SetNotMadeError."""
    sets = [pinned_set()]
    for name in wanted:
        made = await _make(name, folder / f"grpcio-{name}")
        if made.grpcio not in {known.grpcio for known in sets}:
            sets.append(made)
    return sets


async def _make(wanted: str, place: Path) -> GrpcioSet:
    python = place / "bin" / "python"
    if not python.exists():
        for command in _commands(place, python, requirements(wanted)):
            await _run(command)
    grpcio = await _run([str(python), "-c", "import grpc; print(grpc.__version__)"])
    return GrpcioSet(grpcio.strip(), python, await agrees(python))


def requirements(wanted: str) -> list[str]:
    """What to install for a version of grpcio, or for the newest."""
    pin = "" if wanted == LATEST else f"=={wanted}"
    return [*(f"{package}{pin}" for package in COMPANIONS), f"uvloop=={version('uvloop')}"]


def _commands(place: Path, python: Path, packages: Sequence[str]) -> list[list[str]]:
    uv = shutil.which("uv")
    if uv is None:
        return [
            [sys.executable, "-m", "venv", str(place)],
            [str(python), "-m", "pip", "install", "--quiet", *packages],
        ]
    return [
        [uv, "venv", "--quiet", "--python", sys.executable, str(place)],
        [uv, "pip", "install", "--quiet", "--python", str(python), *packages],
    ]


async def agrees(python: Path) -> bool:
    """Whether every committed stub and the companions' can be imported by this Python."""
    modules = [*COMPANIONS_STUBS, *our_stubs()]
    try:
        await _run([str(python), "-c", "\n".join(f"import {name}" for name in modules)])
    except SetNotMadeError:
        return False
    return True


def our_stubs() -> list[str]:
    """The modules that protoc's gRPC plugin made."""
    found = sorted((ROOT / "protos").rglob("*_pb2_grpc.py"))
    return [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in found]


async def _run(command: Sequence[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        text = errors.decode(errors="replace")[-SHOWN_OF_AN_ERROR:]
        raise SetNotMadeError(f"{Path(command[0]).name} {command[1]}: {text}")
    return output.decode()
