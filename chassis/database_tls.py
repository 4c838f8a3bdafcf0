"""TLS towards a database, made of what its DSN says and of nothing else.

- The driver's own contexts take certificates, versions and a key log from the environment and
  from the home directory.
- The files are read for each new connection, so that they may be replaced, and are checked
  each time (chassis/file_rules.py).
"""

import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cryptography import x509

from chassis.certificates import Certificates
from chassis.dsn import SYSTEM_AUTHORITIES, DatabaseTls, TlsMode, read_dsn
from chassis.file_problems import file_problem
from chassis.file_rules import FileRuleError, Holds, check_file
from chassis.sensitive import Sensitive
from chassis.tls_files import TlsFilesError, read_certificates

_ALPN = "postgresql"  # PostgreSQL documentation, "Direct SSL Connections"
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class DatabaseFileError(OSError):
    """A file that the DSN names cannot be used: `path` is its path, `rule` what it breaks."""

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(f"{path}: {rule}")
        self.path, self.rule = path, rule


def add_certificates(certificates: Certificates, dsn: Sensitive[str]) -> None:
    """The certificates that the DSN names are among those in use, as their files have them."""
    tls = read_dsn(dsn.reveal()).tls
    for use, path in (("database", tls.certificate), ("database CA", tls.authorities)):
        if path not in ("", SYSTEM_AUTHORITIES):
            certificates.add(use, Path(path), partial(_present, Path(path)))


def _present(path: Path) -> tuple[x509.Certificate, ...]:
    """What the file holds; a connection that needs it says what is wrong with it."""
    try:
        return read_certificates(path)[1]
    except TlsFilesError:
        return ()


def attempts(tls: DatabaseTls) -> Iterator[ssl.SSLContext | None]:
    """What is tried one after another: a context, or None for a connection without TLS.

    Raises DatabaseFileError if a file cannot be read or breaks a rule; ssl.SSLError if it does
    not hold what it should.
    """
    if tls.mode in (TlsMode.DISABLE, TlsMode.ALLOW):
        yield None
    if tls.mode is not TlsMode.DISABLE:
        yield _context(tls)
    if tls.mode is TlsMode.PREFER:
        yield None


def _context(tls: DatabaseTls) -> ssl.SSLContext:
    _check_files(tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.mode is TlsMode.VERIFY_FULL
    context.minimum_version = _VERSIONS[tls.minimum_version]
    if tls.maximum_version:
        context.maximum_version = _VERSIONS[tls.maximum_version]
    context.set_alpn_protocols([_ALPN])
    # As libpq does, `require` verifies the authority if one is named.
    if tls.authorities and (tls.mode.verifies or tls.mode is TlsMode.REQUIRE):
        _trust(context, tls)
    else:
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate:
        password = tls.key_password.reveal()
        context.load_cert_chain(
            tls.certificate, tls.private_key or None, password=lambda: password
        )
    return context


def _check_files(tls: DatabaseTls) -> None:
    """Without a file of its own the key is in that of the certificate, as libpq has it."""
    authorities = "" if tls.authorities == SYSTEM_AUTHORITIES else tls.authorities
    certificate = Holds.TRUST if tls.private_key else Holds.SECRET
    named = (
        *((authorities, Holds.TRUST), (tls.revocations, Holds.TRUST)),
        *((tls.certificate, certificate), (tls.private_key, Holds.SECRET)),
    )
    for path, holds in named:
        if path:
            _check(path, holds)


def _check(path: str, holds: Holds) -> None:
    try:
        check_file(Path(path), holds)
    except FileRuleError as error:
        raise DatabaseFileError(path, str(error)) from None
    except OSError as error:
        raise DatabaseFileError(path, f"cannot be read: {file_problem(error)}") from None


def _trust(context: ssl.SSLContext, tls: DatabaseTls) -> None:
    if tls.authorities == SYSTEM_AUTHORITIES:
        context.load_default_certs()
    else:
        context.load_verify_locations(cafile=tls.authorities)
    if tls.revocations:
        context.load_verify_locations(cafile=tls.revocations)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
