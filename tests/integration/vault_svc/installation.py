"""Certificates, tokens and files as an installation has them, made once per test."""

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from secrets import token_bytes

from chassis.clock import SystemClock
from chassis.grpc_server import Tls
from chassis.sensitive import Sensitive
from splitkeep.certificates import KeyPair, ensure_authority, ensure_leaf
from splitkeep.issuer import Issuer, TokenRequest, ensure_issuer, publish
from tests.fakes.vault_svc.vault import EVERYTHING, IDENTITY, NAMESPACE


@dataclass(frozen=True)
class Installation:
    folder: Path
    issuer: Issuer
    server: KeyPair
    metadata_peer: KeyPair
    vault_peer: KeyPair

    @property
    def ca(self) -> Path:
        return self.folder / "clients-ca.pem"

    @property
    def peer_ca(self) -> Path:
        return self.folder / "peers-ca.pem"

    @property
    def issuers(self) -> Path:
        return self.folder / "issuers.json"

    @property
    def kek_file(self) -> Path:
        return self.folder / "kek.json"

    def peer_tls(self) -> Tls:
        pair = self.metadata_peer
        return Tls(pair.certificate, pair.private_key, self.peer_ca)

    def token(
        self,
        *,
        identity: str = IDENTITY,
        permissions: tuple[str, ...] = (EVERYTHING,),
        namespace: str = NAMESPACE,
        roles: tuple[str, ...] = (),
        subject: str = "service-account:1",
    ) -> Sensitive[str]:
        request = TokenRequest(
            subject=subject,
            namespace=namespace,
            ttl=timedelta(minutes=5),
            roles=roles,
            permissions=permissions,
            service_identity=identity,
        )
        return self.issuer.mint(request, SystemClock().now())

    def writer(self) -> Sensitive[str]:
        return self.token(identity="", permissions=(), roles=("Admin",))

    def environment(self, **more: str) -> dict[str, str]:
        """What a vault process is told, but for its database and metadata's address."""
        told = {
            "PORT": "0",
            "OPERATIONS_PORT": "0",
            "WORKERS": "1",
            "TLS_CERTIFICATE": str(self.server.certificate),
            "TLS_PRIVATE_KEY": str(self.server.private_key),
            "ISSUERS": str(self.issuers),
            "METADATA_CA": str(self.peer_ca),
            "PEER_CERTIFICATE": str(self.vault_peer.certificate),
            "PEER_PRIVATE_KEY": str(self.vault_peer.private_key),
            "KEK_FILE": str(self.kek_file),
            "READY_FILE": str(self.folder / "ready.json"),
            **more,
        }
        return {f"SPLITKEEP_VAULT_{name}": value for name, value in told.items()}


def make_installation(folder: Path) -> Installation:
    now = SystemClock().now()
    pairs = {
        name: KeyPair(folder / f"{name}.pem", folder / f"{name}.key")
        for name in ("clients-ca", "peers-ca", "server", "metadata-peer", "vault-peer")
    }
    clients = ensure_authority(pairs["clients-ca"], name="clients", now=now)
    peers = ensure_authority(pairs["peers-ca"], name="peers", now=now)
    ensure_leaf(pairs["server"], clients, names=("localhost", "127.0.0.1"), now=now)
    for name in ("metadata", "vault"):
        ensure_leaf(pairs[f"{name}-peer"], peers, names=(f"splitkeep-{name}",), now=now)
    issuer = ensure_issuer(folder / "issuer.key")
    publish(issuer, folder)
    made = Installation(
        folder, issuer, pairs["server"], pairs["metadata-peer"], pairs["vault-peer"]
    )
    made.kek_file.touch(mode=0o600)
    keks = {"active": "local-1", "keks": {"local-1": b64encode(token_bytes(32)).decode()}}
    made.kek_file.write_text(json.dumps(keks))
    return made
