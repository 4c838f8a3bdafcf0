"""The three programs with everything they need, so that a test can take one thing away."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chassis.sensitive import Sensitive
from tests.integration.chassis.databases import empty_database
from tests.integration.metadata_svc.wire import Credentials
from tests.integration.vault_svc.installation import make_installation

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """How a program ended, and all that it printed."""

    code: int
    printed: str

    @property
    def beginning(self) -> str:
        """What a person sees first."""
        return self.printed[:200]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.printed.splitlines()]


@dataclass(frozen=True)
class Programs:
    """The environment of each program; each starts as it is."""

    environments: Mapping[str, Mapping[str, str]]
    folder: Path

    async def run(self, program: str, *arguments: str, **changes: str | None) -> Ended:
        """How the program ends when these settings are others, or are not there (None)."""
        prefix = f"SPLITKEEP_{program.removesuffix('_svc').upper()}_"
        told: dict[str, str | None] = {**self.environments[program]}
        for name, value in changes.items():
            told[name if name.startswith("SPLITKEEP_") else prefix + name] = value
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SPLITKEEP_")}
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", program, *arguments),
            cwd=ROOT,
            env=clean | {name: value for name, value in told.items() if value is not None},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                printed, _ = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return Ended(child.returncode or 0, printed.decode())


@pytest.fixture
def programs(
    tmp_path: Path, metadata_dsn: Sensitive[str], vault_dsn: Sensitive[str]
) -> Programs:
    for name in ("metadata", "vault"):
        (tmp_path / name).mkdir()
    credentials = Credentials(tmp_path / "metadata")
    config = credentials.config(metadata_dsn)
    fields = (
        *("tls_certificate", "tls_private_key", "peer_tls_certificate"),
        *("peer_tls_private_key", "peer_ca", "issuers"),
    )
    metadata = {name.upper(): str(getattr(config, name)) for name in fields}
    metadata |= dict.fromkeys(("PORT", "PEER_PORT", "OPERATIONS_PORT"), "0")
    metadata |= {"DSN": metadata_dsn.reveal(), "WORKERS": "1"}
    gateway = {
        "PORT": "0",
        "OPERATIONS_PORT": "0",
        "TLS_CERTIFICATE": metadata["TLS_CERTIFICATE"],
        "TLS_PRIVATE_KEY": metadata["TLS_PRIVATE_KEY"],
        "METADATA_TARGET": "localhost:1",
        "VAULT_TARGET": "localhost:1",
        "CA": str(credentials.clients.certificate),
    }
    vault = make_installation(tmp_path / "vault").environment(
        DSN=vault_dsn.reveal(), METADATA_TARGET="localhost:1"
    )
    return Programs(
        {
            "metadata_svc": {f"SPLITKEEP_METADATA_{n}": v for n, v in metadata.items()},
            "vault_svc": vault,
            "gateway": {f"SPLITKEEP_GATEWAY_{n}": v for n, v in gateway.items()},
        },
        tmp_path,
    )


@pytest.fixture
async def empty_dsn(metadata_server_dsn: Sensitive[str]) -> AsyncIterator[Sensitive[str]]:
    async with empty_database(metadata_server_dsn) as dsn:
        yield dsn
