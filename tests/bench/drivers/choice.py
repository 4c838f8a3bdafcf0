"""Which tool makes the load: ghz, else h2load, else a Python client."""

import shutil
import subprocess

from tests.bench.drivers.asyncio_client import AsyncioClient
from tests.bench.drivers.ghz import Ghz
from tests.bench.drivers.h2load import H2load
from tests.bench.measuring import Driver, DriverError, Place

NAMES = ("ghz", "h2load", "python")


def choose_driver(wanted: str | None, place: Place) -> Driver:
    """The wanted tool, or the best one that is installed. Raises DriverError."""
    for name in NAMES if wanted is None else (wanted,):
        driver = _installed(name, place)
        if driver is not None:
            return driver
    raise DriverError(f"{wanted} is not on the PATH")


def _installed(name: str, place: Place) -> Driver | None:
    if name == "python":
        return AsyncioClient(place)
    program = shutil.which(name)
    if program is None:
        return None
    version = _version(program)
    return Ghz(program, version, place) if name == "ghz" else H2load(program, version)


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).strip()
