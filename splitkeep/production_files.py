"""What a production on one host is started with: keys, certificates, passwords, a first token.

DIR (0700)                     the operator's; its files reach containers as mounts only
├── operator/                  ca.key, peer-ca.key, issuer.key, admin-token; never mounted
├── metadata/                  tls, peer and dsn of the metadata service; jwks, issuers
├── vault/                     the same of the vault, and kek.json
├── gateway/                   tls of the gateway, ca.pem for both services
├── metadata-db/password       for the database's image
├── vault-db/password
├── ca.pem                     what clients trust
└── compose.env                the user that the containers run as
"""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from splitkeep.certificates import Authority, KeyPair, ensure_authority, ensure_leaf
from splitkeep.files import (
    PUBLIC,
    others_rights,
    private_directory,
    read_or_make,
    write_file,
)
from splitkeep.issuer import TokenRequest, ensure_issuer, publish
from splitkeep.kek_file import ensure_kek_file

CONTAINER_UID = 10_001
PASSWORD_BYTES = 24
FIRST_TOKEN_TTL = timedelta(days=1)
DATABASE_PORT = 5432

SERVICES = ("metadata", "vault", "gateway")
DATABASE_SERVICES = ("metadata", "vault")
DIRECTORIES = ("operator", *SERVICES, "metadata-db", "vault-db")

# What was made or is used with these cannot be had again with others.
IRREPLACEABLE = (
    *(f"operator/{name}" for name in ("ca.key", "peer-ca.key", "issuer.key")),
    "vault/kek.json",
    *(f"{name}-db/password" for name in DATABASE_SERVICES),
)

TRAVERSABLE = 0o755  # below a directory that is the operator's alone


class MissingFilesError(Exception):
    """Keys or passwords that what is there was made with are gone; the text names them."""


class OpenDirectoryError(Exception):
    """Others may look into the directory, which is to keep them from what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionSecrets:
    """See the module. `uid` and `gid` are those that the containers run as."""

    directory: Path
    uid: int
    gid: int
    now: datetime

    def make(self) -> None:
        """Everything is there; what was there is kept.

        Raises OpenDirectoryError, MissingFilesError, OSError, ValueError.
        """
        self._check_private(private_directory(self.directory))
        self._check_nothing_is_lost()
        for name in DIRECTORIES:
            private_directory(self.directory / name)
        self._make_certificates()
        self._make_issuer()
        for name in DATABASE_SERVICES:
            self._make_database_password(name)
        ensure_kek_file(self.directory / "vault" / "kek.json", os.urandom)
        for name in SERVICES:
            self._give(self.directory / name)
        environment = f"SPLITKEEP_UID={self.uid}\nSPLITKEEP_GID={self.gid}\n"
        write_file(self._environment, environment.encode(), mode=PUBLIC)

    @property
    def _environment(self) -> Path:
        """Written last: where it is, everything was made."""
        return self.directory / "compose.env"

    def _check_private(self, directory: Path) -> None:
        """One made before, by hand, may be open to everybody."""
        if others_rights(directory):
            raise OpenDirectoryError(
                f"{directory} is open to other users: `chmod 700 {directory}`, then run this "
                "again"
            )

    def _check_nothing_is_lost(self) -> None:
        """New keys never replace those that what is there was made with."""
        missing = [name for name in IRREPLACEABLE if not (self.directory / name).exists()]
        if missing and self._environment.exists():
            raise MissingFilesError(
                f"{self.directory} lacks {', '.join(missing)}, which the rest goes with: put "
                "your own back, and run this again"
            )

    def _make_certificates(self) -> None:
        operator = self.directory / "operator"
        clients = KeyPair(self.directory / "ca.pem", operator / "ca.key")
        peers = KeyPair(operator / "peer-ca.pem", operator / "peer-ca.key")
        client_authority = ensure_authority(clients, name="Splitkeep", now=self.now)
        peer_authority = ensure_authority(peers, name="Splitkeep peers", now=self.now)
        for name in SERVICES:
            names = (name, "localhost", "127.0.0.1", "::1")
            self._make_leaf(f"{name}/tls", client_authority, names)
        for name in DATABASE_SERVICES:
            self._make_leaf(f"{name}/peer", peer_authority, (f"splitkeep-{name}",))
            self._copy(peers.certificate, self.directory / name / "peer-ca.pem")
        self._copy(clients.certificate, self.directory / "gateway" / "ca.pem")

    def _make_leaf(self, place: str, authority: Authority, names: tuple[str, ...]) -> None:
        path = self.directory / place
        files = KeyPair(path.with_suffix(".pem"), path.with_suffix(".key"))
        ensure_leaf(files, authority, names=names, now=self.now)

    def _copy(self, source: Path, target: Path) -> None:
        write_file(target, source.read_bytes(), mode=PUBLIC)

    def _make_issuer(self) -> None:
        operator = self.directory / "operator"
        issuer = ensure_issuer(operator / "issuer.key")
        for name in DATABASE_SERVICES:
            # An operator adds issuers of his own to the file: it is made once.
            if not (self.directory / name / "issuers.json").exists():
                publish(issuer, self.directory / name)
        request = TokenRequest(
            subject="user:admin", namespace="*", ttl=FIRST_TOKEN_TTL, roles=("Admin",)
        )
        token = issuer.mint(request, self.now).reveal()
        write_file(operator / "admin-token", token.encode())

    def _make_database_password(self, name: str) -> None:
        file = self.directory / f"{name}-db" / "password"
        # The image's entry point may read it as another user than the services': what keeps
        # others out is the directory above.
        password = read_or_make(file, _new_password, mode=PUBLIC).decode()
        file.parent.chmod(TRAVERSABLE)
        dsn = f"postgresql://{name}:{password}@{name}-db:{DATABASE_PORT}/{name}"
        read_or_make(self.directory / name / "dsn", dsn.encode)

    def _give(self, directory: Path) -> None:
        """The directory and what is in it belong to the containers' user."""
        for path in (directory, *directory.iterdir()):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def _new_password() -> bytes:
    return secrets.token_hex(PASSWORD_BYTES).encode()
