"""A whole stack, started the way a person starts it, for tests that look from outside.

- `python -m splitkeep dev` with a state directory of its own and free ports: two Postgres
  servers, three processes, real TLS. Nothing of the services is imported here.
- Values used by tests are canaries: they carry MARK, which is searched for afterwards. Nothing
  else does: what is no value may reach processes that no value does.
"""

import asyncio
import json
import os
import secrets
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import grpc
import httpx2
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from protos.decryptv1beta1 import decrypt_pb2, decrypt_pb2_grpc
from splitkeep.local.state import open_state

ROOT = Path(__file__).resolve().parents[2]
MARK = "cAnArY-7d1f"
READY_SECONDS = 60
FREE_PORTS = {
    f"SPLITKEEP_{name}": "0"
    for name in (
        "GATEWAY_PORT",
        "GATEWAY_OPERATIONS_PORT",
        "METADATA_PORT",
        "METADATA_PEER_PORT",
        "METADATA_OPERATIONS_PORT",
        "VAULT_PORT",
        "VAULT_OPERATIONS_PORT",
    )
}
FAST_SWEEP = {
    "SPLITKEEP_VAULT_RECOVERY_WINDOW_SECONDS": "0",
    "SPLITKEEP_VAULT_SWEEP_INTERVAL_SECONDS": "1",
    "SPLITKEEP_VAULT_UNCLAIMED_AGE_SECONDS": "2",
    "SPLITKEEP_VAULT_FULL_SWEEP_INTERVAL_SECONDS": "3",
}


def a_canary() -> str:
    """A fresh value that the canary sweep will look for."""
    return f"{MARK}-{secrets.token_hex(12)}"


class Stack:
    """A running `splitkeep dev`; leaving the context ends and erases it."""

    open_files: int | None = None
    """How many each of its processes may have, if it is not to be the usual number."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self._environment = FREE_PORTS | FAST_SWEEP | environment
        self._process: subprocess.Popen[bytes] | None = None
        self.output = directory.parent / f"{directory.name}.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()
        self.erase()

    def start(self) -> None:
        environment = (
            os.environ | self._environment | {"SPLITKEEP_STATE_DIR": str(self.directory)}
        )
        limited = ["sh", "-c", f'ulimit -n {self.open_files}; exec "$@"', "sh"]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(limited if self.open_files else []),
                    *(sys.executable, "-m", "splitkeep", "dev"),
                ],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.wait_until((self.directory / "dev.json").exists, "dev.json is written")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=60)
        self._process = None

    def erase(self) -> None:
        """Nothing of it is left, wherever its databases were."""
        open_state(self.directory).erase()

    def data_directory(self, database: str) -> Path:
        """Where a server's files are: outside the state directory when root started it."""
        outside = self.directory / "postgres-directory"
        home = Path(outside.read_text()) if outside.exists() else self.directory / "postgres"
        return home / database / "data"

    def wait_until(self, true: Any, what: str, seconds: float = READY_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            if self._process is None or self._process.poll() is not None:
                raise AssertionError(f"the stack ended before {what}; see {self.output.name}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}")
            time.sleep(0.05)

    @property
    def info(self) -> dict[str, Any]:
        """dev.json as it is now; pids change when a process is restarted."""
        found: dict[str, Any] = json.loads((self.directory / "dev.json").read_text())
        return found

    @property
    def url(self) -> str:
        return f"{self.info['gateway']}/apis/secret.grafana.app/v1beta1/namespaces/default"

    def token(self, *arguments: str) -> str:
        """A token minted by `splitkeep token`."""
        done = subprocess.run(
            [sys.executable, "-m", "splitkeep", "token", *arguments],
            cwd=ROOT,
            env=os.environ | {"SPLITKEEP_STATE_DIR": str(self.directory)},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def mint(self, claims: dict[str, Any]) -> str:
        """A token with exactly these claims, signed by the stack's own issuer."""
        header = jwt.get_unverified_header(self.info["tokens"]["admin"])
        return jwt.encode(claims, self._issuer_key, algorithm="ES256", headers=header)

    @property
    def issuer_public_key(self) -> ec.EllipticCurvePublicKey:
        return self._issuer_key.public_key()

    @property
    def _issuer_key(self) -> ec.EllipticCurvePrivateKey:
        pem = (self.directory / "issuer" / "key.pem").read_bytes()
        key = serialization.load_pem_private_key(pem, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    @property
    def ca(self) -> bytes:
        """The certificate that clients trust, in PEM."""
        return Path(self.info["ca"]).read_bytes()

    @property
    def peer_target(self) -> str:
        """Where metadata listens for the vault."""
        ready = json.loads((self.directory / "services" / "metadata-ready.json").read_text())
        return f"127.0.0.1:{ready['peer']}"

    def http(self, token: str | None = None) -> httpx2.Client:
        """A client that trusts the stack's CA and carries a token (the administrator's)."""
        context = ssl.create_default_context(cafile=self.info["ca"])
        bearer = self.info["tokens"]["admin"] if token is None else token
        return httpx2.Client(
            verify=context, headers={"Authorization": f"Bearer {bearer}"}, timeout=30
        )

    def create(self, name: str, value: str, **spec: Any) -> httpx2.Response:
        with self.http() as http:
            return http.post(
                f"{self.url}/securevalues", json=a_secure_value(name, value, **spec)
            )

    def put(self, name: str, value: str | None = None, **spec: Any) -> httpx2.Response:
        with self.http() as http:
            body = a_secure_value(name, value, **spec)
            return http.put(f"{self.url}/securevalues/{name}", json=body)

    def delete(self, name: str) -> httpx2.Response:
        with self.http() as http:
            return http.delete(f"{self.url}/securevalues/{name}")

    def decrypt(
        self,
        names: list[str],
        *,
        token: str | None = None,
        package: str = "decryptv1beta1",
        namespace: str = "default",
    ) -> dict[str, dict[str, str]]:
        """Each name's value or error message; the client is a process of its own."""
        info = self.info
        request = {
            "package": package,
            "target": info["vault"],
            "ca": info["ca"],
            "token": info["tokens"]["decrypter"] if token is None else token,
            "namespace": namespace,
            "names": names,
        }
        done = subprocess.run(
            [sys.executable, str(Path(__file__).parent / "decrypt_client.py")],
            input=json.dumps(request),
            check=True,
            capture_output=True,
            text=True,
        )
        answered: dict[str, dict[str, str]] = json.loads(done.stdout)
        return answered

    def decrypt_here(
        self, names: list[str], *, token: str | None = None, namespace: str = "default"
    ) -> dict[str, dict[str, str]]:
        """As decrypt, but in this process: for many calls in a row."""
        info = self.info
        bearer = info["tokens"]["decrypter"] if token is None else token
        with grpc.secure_channel(
            info["vault"], grpc.ssl_channel_credentials(self.ca)
        ) as channel:
            answer = decrypt_pb2_grpc.SecureValueDecrypterStub(channel).DecryptSecureValues(
                decrypt_pb2.SecureValueDecryptRequest(namespace=namespace, names=names),
                metadata=(("x-access-token", bearer),),
                timeout=20,
            )
        return {name: _as_json(result) for name, result in answer.decrypted_values.items()}


def _as_json(result: decrypt_pb2.Result) -> dict[str, str]:
    if result.HasField("value"):
        return {"value": result.value}
    return {"error_message": result.error_message}


def a_secure_value(name: str, value: str | None = None, **spec: Any) -> dict[str, Any]:
    """A body as the documented examples send it: no apiVersion, no kind."""
    given = {"description": "made by a test", "decrypters": ["k6-cloud"]} | spec
    if value is not None:
        given["value"] = value
    return {"metadata": {"name": name}, "spec": given}


def execute(dsn: str, statement: str, *arguments: Any) -> Any:
    """The rows of one statement, run by an operator's hand."""

    async def run() -> Any:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(run())
