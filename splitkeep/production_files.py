"""What a production on one host is started with: keys, certificates, passwords, a first token.

DIR (0700)                     the operator's; its files reach containers as mounts only
├── operator/                  ca, peer-ca, issuer.key, admin-token; never mounted
├── metadata/                  tls, peer and dsn of the metadata service; jwks, issuers
├── vault/                     the same of the vault, and kek.json
├── gateway/                   tls of the gateway, ca.pem for both services
├── metadata-db/password       for the database's image
├── vault-db/password
├── ca.pem                     what clients trust
├── compose.env                the user that the containers run as
└── issued.json                what this command wrote, and so may write again
"""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidSignature

from splitkeep.certificates import (
    Authority,
    KeyPair,
    ensure_authority,
    ensure_leaf,
    load_key,
    load_pair,
    remark_on,
)
from splitkeep.environment import alone
from splitkeep.files import PRIVATE, PUBLIC, Owner, others_rights, private_directory
from splitkeep.host_names import SERVICE_NAMES
from splitkeep.issued_files import IssuedFiles, NotAFileError
from splitkeep.issuer import Issuer, TokenRequest, new_issuer_key, parse_issuer, published
from splitkeep.kek_file import new_kek_file

CONTAINER_UID = 10_001
PASSWORD_BYTES = 24
FIRST_TOKEN_TTL = timedelta(days=1)
DATABASE_PORT = 5432

SERVICES = SERVICE_NAMES
DATABASE_SERVICES = ("metadata", "vault")
PUBLISHED = ("gateway", "vault")  # the ports that others than the services call
CLIENT_AUTHORITY, PEER_AUTHORITY = "Splitkeep", "Splitkeep peers"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
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


class AuthorityError(Exception):
    """The operator's directory holds an authority that cannot sign; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the certificates of the published ports bear beside the usual names."""

    add: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()

    def applied_to(self, known: Sequence[str]) -> tuple[str, ...]:
        """The further names from now on."""
        return tuple(sorted((set(known) | self.add) - self.drop))


@dataclass(slots=True, kw_only=True)
class ProductionSecrets:
    """See the module. `uid` and `gid` are those that the containers run as."""

    directory: Path
    uid: int
    gid: int
    now: datetime
    names: Names = field(default_factory=Names)
    _issued: IssuedFiles = field(init=False)

    def __post_init__(self) -> None:
        self._issued = IssuedFiles(directory=self.directory, owner_of=self._owner)

    def make(self) -> Sequence[str]:
        """Everything is there; answers a sentence for each thing that was left as it is.

        What this command did not write, or what has been changed since, stays.
        Raises OpenDirectoryError, NotAFileError, MissingFilesError, AuthorityError,
        RecordError, OSError, ValueError.
        """
        self._check_private(private_directory(self.directory))
        with alone(self.directory):
            self._check_files()
            recorded = self._issued.load()
            self._check_nothing_is_lost(recorded=recorded)
            for authority in (self._clients, self._peers):
                self._check_authority(authority)
            if not recorded and self._environment.exists():
                self._adopt_what_an_older_release_made()
            self._make_all()
        return self._issued.left

    @property
    def further_names(self) -> tuple[str, ...]:
        """What the certificates of the published ports bear beside the usual names."""
        return self._issued.names

    def _make_all(self) -> None:
        self._issued.names = self.names.applied_to(self._issued.names)
        for name in DIRECTORIES:
            self._make_directory(name)
        self._make_certificates()
        self._make_issuer()
        for name in DATABASE_SERVICES:
            self._make_database_password(name)
        self._issued.make_once(
            self.directory / "vault" / "kek.json", lambda: new_kek_file(os.urandom)
        )
        environment = f"SPLITKEEP_UID={self.uid}\nSPLITKEEP_GID={self.gid}\n"
        self._issued.write_or_leave(self._environment, environment.encode())
        self._issued.save()

    @property
    def _environment(self) -> Path:
        """Written last: where it is, everything was made."""
        return self.directory / "compose.env"

    @property
    def _operator(self) -> Path:
        return self.directory / "operator"

    @property
    def _clients(self) -> KeyPair:
        return KeyPair(self._operator / "ca.pem", self._operator / "ca.key")

    @property
    def _peers(self) -> KeyPair:
        return KeyPair(self._operator / "peer-ca.pem", self._operator / "peer-ca.key")

    def _owner(self, path: Path) -> Owner:
        """A service's files are the containers' user's, all others those of who runs this."""
        ours = path.parent.name in SERVICES and path.parent.parent == self.directory
        return Owner(self.uid, self.gid) if ours else Owner(os.geteuid(), os.getegid())

    def _check_private(self, directory: Path) -> None:
        """One made before, by hand, may be open to everybody."""
        if others_rights(directory):
            raise OpenDirectoryError(
                f"{directory} is open to other users: `chmod 700 {directory}`, then run this "
                "again"
            )

    def _check_files(self) -> None:
        """Reading a pipe, for one, might never end."""
        for path in self.directory.rglob("*"):
            if path.exists() and not path.is_file() and not path.is_dir():
                raise NotAFileError(f"{path} is not a file: remove it, and run this again")

    def _check_nothing_is_lost(self, *, recorded: bool) -> None:
        """New keys never replace those that what is there was made with."""
        missing = [
            name
            for name in IRREPLACEABLE
            if not (self.directory / name).exists()
            and self._was_made(self.directory / name, recorded=recorded)
        ]
        if missing:
            raise MissingFilesError(
                f"{self.directory} lacks {', '.join(missing)}, which the rest goes with: put "
                "your own back, and run this again"
            )

    def _was_made(self, path: Path, *, recorded: bool) -> bool:
        return self._issued.was_written(path) if recorded else self._environment.exists()

    def _adopt_what_an_older_release_made(self) -> None:
        """It kept no record: what its authorities signed, and copies of these, are its own."""
        clients = KeyPair(self.directory / "ca.pem", self._clients.private_key)
        if load_pair(clients) is not None:
            content = clients.certificate.read_bytes()
            self._issued.make_once(self._clients.certificate, partial(bytes, content), PUBLIC)
            self._adopt_copies(content, "ca.pem", "gateway/ca.pem")
        if load_pair(self._peers) is not None:
            content = self._peers.certificate.read_bytes()
            self._issued.adopt(self._peers.certificate)
            self._adopt_copies(content, "metadata/peer-ca.pem", "vault/peer-ca.pem")
        for path in (self._operator / "admin-token", self._environment):
            if path.exists():
                self._issued.adopt(path)
        client_authority = self._authority(self._clients, CLIENT_AUTHORITY)
        peer_authority = self._authority(self._peers, PEER_AUTHORITY)
        self._adopt_leaves(client_authority, *(f"{name}/tls" for name in SERVICES))
        self._adopt_leaves(peer_authority, *(f"{name}/peer" for name in DATABASE_SERVICES))

    def _adopt_copies(self, content: bytes, *names: str) -> None:
        for path in (self.directory / name for name in names):
            if path.exists() and path.read_bytes() == content:
                self._issued.adopt(path)

    def _adopt_leaves(self, authority: Authority, *places: str) -> None:
        for files in map(self._pair, places):
            found = load_pair(files)
            if found is not None and _signed(found, authority):
                self._issued.adopt(files.certificate)
                self._issued.adopt(files.private_key)

    def _make_directory(self, name: str) -> None:
        directory = private_directory(self.directory / name)
        if name in SERVICES and directory.stat().st_uid != self.uid:
            os.chown(directory, self.uid, self.gid)

    def _make_certificates(self) -> None:
        clients = self._authority(self._clients, CLIENT_AUTHORITY)
        peers = self._authority(self._peers, PEER_AUTHORITY)
        for name in SERVICES:
            further = self._issued.names if name in PUBLISHED else ()
            self._make_leaf(f"{name}/tls", clients, (name, *LOCAL_NAMES, *further))
        for name in DATABASE_SERVICES:
            self._make_leaf(f"{name}/peer", peers, (f"splitkeep-{name}",))
            self._copy(self._peers.certificate, f"{name}/peer-ca.pem")
        for target in ("ca.pem", "gateway/ca.pem"):
            self._copy(self._clients.certificate, target)

    def _check_authority(self, files: KeyPair) -> None:
        """The key on disk, if there is one, signs; and its certificate is not another's."""
        key, certificate = files.private_key, files.certificate
        if key.exists() and load_key(key) is None:
            raise _no_key(key)
        ours = self._issued.may_write(certificate) and not self._replaced(key)
        if not ours and load_pair(files) is None:
            raise AuthorityError(f"{certificate} does not belong to {key}: restore both")

    def _replaced(self, path: Path) -> bool:
        return self._issued.was_written(path) and not self._issued.may_write(path)

    def _authority(self, files: KeyPair, name: str) -> Authority:
        found = load_pair(files)
        if found is not None and not self._issued.may_write(files.certificate):
            return found  # the operator's own
        return ensure_authority(files, name=name, now=self.now, write=self._write_once_if_key)

    def _write_once_if_key(self, path: Path, content: bytes, mode: int) -> None:
        if mode == PRIVATE:
            self._issued.make_once(path, lambda: content)
        else:
            self._issued.write(path, content, mode)

    def _make_leaf(self, place: str, authority: Authority, names: tuple[str, ...]) -> None:
        files = self._pair(place)
        paths = (files.certificate, files.private_key)
        if all(map(self._issued.may_write, paths)):
            ensure_leaf(files, authority, names=names, now=self.now, write=self._issued.write)
            for path, mode in zip(paths, (PUBLIC, PRIVATE), strict=True):
                self._issued.write(path, path.read_bytes(), mode)
        else:
            self._issued.leave(self._foreign(files, place))

    def _foreign(self, files: KeyPair, place: str) -> str:
        """What to say of a certificate or key that this command did not write."""
        both = f"{place}.pem and {place}.key are not as this command wrote them"
        return f"{both}; {remark_on(files)}, and renewing it is up to you"

    def _pair(self, place: str) -> KeyPair:
        path = self.directory / place
        return KeyPair(path.with_suffix(".pem"), path.with_suffix(".key"))

    def _copy(self, source: Path, target: str) -> None:
        self._issued.write_or_leave(self.directory / target, source.read_bytes())

    def _make_issuer(self) -> None:
        private_key = self._operator / "issuer.key"
        try:
            issuer = parse_issuer(self._issued.make_once(private_key, new_issuer_key))
        except ValueError:
            raise _no_key(private_key) from None
        for name in DATABASE_SERVICES:
            # An operator adds issuers and keys of his own to these files.
            for file, content in published(issuer).items():
                path = self.directory / name / file
                self._issued.make_once(path, partial(bytes, content), PUBLIC)
        self._mint_first_token(issuer)

    def _mint_first_token(self, issuer: Issuer) -> None:
        file = self._operator / "admin-token"
        if not file.exists() and self._issued.was_written(file):
            self._issued.leave(
                "operator/admin-token was removed and is not made again: mint tokens with "
                "`splitkeep token --issuer-key`"
            )
            return
        request = TokenRequest(
            subject="user:admin", namespace="*", ttl=FIRST_TOKEN_TTL, roles=("Admin",)
        )
        token = issuer.mint(request, self.now).reveal()
        self._issued.write_or_leave(file, token.encode(), PRIVATE)

    def _make_database_password(self, name: str) -> None:
        file = self.directory / f"{name}-db" / "password"
        # The image's entry point may read it as another user than the services': what keeps
        # others out is the directory above.
        password = self._issued.make_once(file, _new_password, PUBLIC).decode(errors="replace")
        if not password.strip() or not password.isascii():
            raise MissingFilesError(
                f"{file} holds no password of ASCII characters: put your own back, and run "
                "this again"
            )
        file.parent.chmod(TRAVERSABLE)
        dsn = f"postgresql://{name}:{password}@{name}-db:{DATABASE_PORT}/{name}"
        self._issued.make_once(self.directory / name / "dsn", dsn.encode)


def _no_key(file: Path) -> AuthorityError:
    return AuthorityError(
        f"{file} is not a P-256 private key without a password: restore the one that this "
        "command made"
    )


def _signed(leaf: Authority, authority: Authority) -> bool:
    try:
        leaf.certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _new_password() -> bytes:
    return secrets.token_hex(PASSWORD_BYTES).encode()
