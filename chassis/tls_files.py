"""A certificate chain and its key in files that may be replaced while the process runs."""

from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

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


class TlsFilesError(Exception):
    """The files do not make a certificate chain with its key."""


class RotatingTls:
    """What the files hold, read again when they change.

    Replacing several files is not one step: as long as they do not fit together, what was read
    before stays in use.
    """

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._version = tls.version()
        self._configuration = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files. With a client CA, a certificate is required."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration,
            self.renewed,  # type: ignore[arg-type]  # the stub forgets that None is "unchanged"
            require_client_authentication=self._tls.client_ca is not None,
        )

    def renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """The new configuration if the files have changed and fit together, else None.

        gRPC asks at every handshake, on a thread of its own.
        """
        try:
            version = self._tls.version()
            if version == self._version:
                return None
            self._configuration = self._read()
        except (OSError, TlsFilesError) as error:
            _log.warning("certificate not renewed", reason=type(error).__name__)
            return None
        self._version = version
        _log.info("certificate renewed", file=self._tls.certificate_chain)
        return self._configuration

    def _read(self) -> grpc.ServerCertificateConfiguration:
        chain = self._tls.certificate_chain.read_bytes()
        key = self._tls.private_key.read_bytes()
        check_pair(chain, key)
        client_ca = self._tls.client_ca.read_bytes() if self._tls.client_ca else None
        return grpc.ssl_server_certificate_configuration([(key, chain)], client_ca)


def check_pair(certificate_chain: bytes, private_key: bytes) -> None:
    """Returns if the key is that of the chain's first certificate. Raises TlsFilesError."""
    try:
        certificate = x509.load_pem_x509_certificates(certificate_chain)[0]
        key = load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError):
        raise TlsFilesError("not a PEM certificate and an unencrypted PEM key") from None
    if certificate.public_key() != key.public_key():
        raise TlsFilesError("the private key is not the certificate's")
