"""A certificate chain and its key in files that may be replaced while the process runs."""

import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis.config import StartRefusedError
from chassis.file_problems import file_problem
from chassis.file_rules import FileRuleError, Holds, read_file
from chassis.telemetry import record

MAX_FILE_BYTES = 4_194_304  # a bundle of every public authority has a quarter of a megabyte

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of a server. With `client_ca`, clients must present a certificate it signed."""

    certificate_chain: Path
    private_key: Path
    client_ca: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file named."""
        named = (self.certificate_chain, self.private_key, self.client_ca)
        return tuple(path for path in named if path is not None)

    def version(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when a file is replaced. Raises OSError if one is not there."""
        statuses = [path.stat() for path in self.files]
        return tuple((s.st_mtime_ns, s.st_size, s.st_ino) for s in statuses)


class TlsFilesError(StartRefusedError):
    """A file does not hold what it should; the problem begins with its path."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__((f"{path}: {problem}",))


@dataclass(frozen=True, slots=True, eq=False)
class TlsContents:
    """What was in the files at one moment; it fits together."""

    certificate_chain: bytes
    private_key: bytes
    client_ca: bytes | None
    certificates: tuple[x509.Certificate, ...]  # of the chain, the server's own first
    authorities: tuple[x509.Certificate, ...]


class CurrentTls:
    """What the files hold by now. May be asked from any thread.

    Replacing several files is not one step: as long as they do not fit together, what was read
    before stays in use.
    """

    def __init__(self, tls: Tls) -> None:
        """Raises TlsFilesError if the files are not usable."""
        self.files, self._lock = tls, threading.Lock()
        self._version: tuple[tuple[int, int, int], ...] = ()
        with suppress(OSError):  # reading says which file it is
            self._version = tls.version()
        self._contents = read_tls(tls)

    def contents(self) -> TlsContents:
        """The same object as long as the files do not change."""
        with self._lock:
            try:
                version = self.files.version()
                if version != self._version:
                    self._contents, self._version = read_tls(self.files), version
                    record("certificate renewed", file=self.files.certificate_chain)
            except (OSError, TlsFilesError) as error:
                problems = list(error.problems) if isinstance(error, TlsFilesError) else []
                reason = type(error).__name__
                _log.warning("certificate not renewed", reason=reason, problems=problems)
            return self._contents


class RotatingTls:
    """gRPC's credentials of what the files hold by now."""

    def __init__(self, current: CurrentTls, *, client_certificates: bool) -> None:
        self._current, self._client_certificates = current, client_certificates
        self._given = current.contents()

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._given),
            self.renewed,  # type: ignore[arg-type]  # the stub forgets that None is "unchanged"
            require_client_authentication=self._client_certificates,
        )

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new configuration if the files have changed and fit together, else None.

        gRPC asks at every handshake, on a thread of its own.
        """
        contents = self._current.contents()
        if contents is self._given:
            return None
        self._given = contents
        return _configuration(contents)


def _configuration(contents: TlsContents) -> grpc.ServerCertificateConfiguration:
    pair = (contents.private_key, contents.certificate_chain)
    return grpc.ssl_server_certificate_configuration([pair], contents.client_ca)


def read_tls(tls: Tls) -> TlsContents:
    """What the files hold. Raises TlsFilesError unless it fits together."""
    chain, certificates = read_certificates(tls.certificate_chain)
    key = _read(tls.private_key, Holds.SECRET)
    try:
        public_key = load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        problem = "is not an unencrypted private key in PEM form"
        raise TlsFilesError(tls.private_key, problem) from None
    if certificates[0].public_key() != public_key:
        problem = f"is not the key of the certificate in {tls.certificate_chain}"
        raise TlsFilesError(tls.private_key, problem)
    authority, authorities = read_certificates(tls.client_ca) if tls.client_ca else (None, ())
    return TlsContents(chain, key, authority, certificates, authorities)


def read_certificates(path: Path) -> tuple[bytes, tuple[x509.Certificate, ...]]:
    """The file's bytes and the certificates in it, at least one. Raises TlsFilesError."""
    content = _read(path, Holds.TRUST)
    try:
        return content, tuple(x509.load_pem_x509_certificates(content))
    except ValueError:
        raise TlsFilesError(path, "holds no certificate in PEM form") from None


def _read(path: Path, holds: Holds) -> bytes:
    try:
        return read_file(path, holds, maximum_bytes=MAX_FILE_BYTES)
    except FileRuleError as error:
        raise TlsFilesError(path, str(error)) from None
    except OSError as error:
        raise TlsFilesError(path, file_problem(error)) from None
