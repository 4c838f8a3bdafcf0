"""Certificate authorities and the leaf certificates they sign.

- X.509 by RFC 5280, ECDSA on P-256. Leaves name hosts only as subject alternative names
  (RFC 9525 §4.2); the subject's common name is for people.
- What is on disk and still good is kept: a certificate is made again when it nears its end,
  bears other names than it should, does not fit its key, or was signed by another authority.
- A renewed certificate keeps its private key: one file is replaced, so that no crash leaves a
  certificate beside a key that is not its own. A renewed authority has the same name and key,
  so what it signed before, and those who trust the old certificate, go on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from splitkeep.files import PRIVATE, PUBLIC, read_file, write_file

AUTHORITY_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=730)
RENEW_LEAF_BEFORE = timedelta(days=60)
RENEW_AUTHORITY_BEFORE = LEAF_LIFETIME  # no leaf outlives its authority
BACKDATED = timedelta(hours=1)  # for clocks that are a little behind


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a certificate and its private key are."""

    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that signs others, with its key."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey


Write = Callable[[Path, bytes, int], None]
"""The file at this path has this content and mode afterwards, and never a part of either."""


def _write(path: Path, content: bytes, mode: int) -> None:
    write_file(path, content, mode=mode)


def ensure_authority(
    files: KeyPair, *, name: str, now: datetime, write: Write = _write
) -> Authority:
    """The authority on disk; its certificate is made now if there is none or it nears its end.

    Its key is made only if the file holds none.
    """
    found = load_pair(files)
    if found is not None and _lasts(found.certificate, now, RENEW_AUTHORITY_BEFORE):
        return found
    key = load_key(files.private_key) or ec.generate_private_key(ec.SECP256R1())
    subject = found.certificate.subject if found is not None else _subject(name)
    draft = _draft(subject, key.public_key(), now, AUTHORITY_LIFETIME).issuer_name(subject)
    draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    draft = draft.add_extension(_key_usage(signs_certificates=True), critical=True)
    authority = Authority(draft.sign(key, SHA256()), key)
    _save(files, authority.certificate, key, write)
    return authority


def ensure_leaf(
    files: KeyPair,
    authority: Authority,
    *,
    names: Sequence[str],
    now: datetime,
    write: Write = _write,
) -> bool:
    """A good certificate for these hosts and addresses is there; answers whether it is new.

    It serves as a server's and as a client's. The first name is the common name.
    """
    found = load_pair(files)
    if found is not None and _serves(found.certificate, authority, names, now):
        return False
    key = load_key(files.private_key) or ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    draft = _draft(_subject(names[0]), key.public_key(), now, LEAF_LIFETIME)
    draft = draft.issuer_name(issuer.subject)
    draft = draft.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    draft = draft.add_extension(_key_usage(signs_certificates=False), critical=True)
    draft = draft.add_extension(_both_purposes(), critical=False)
    draft = draft.add_extension(_alternative_names(names), critical=False)
    draft = draft.add_extension(_authority_identifier(issuer), critical=False)
    _save(files, draft.sign(authority.private_key, SHA256()), key, write)
    return True


def load_pair(files: KeyPair) -> Authority | None:
    """What is on disk, if certificate and key are there, readable and belong together."""
    try:
        certificate = x509.load_pem_x509_certificate(read_file(files.certificate))
    except (OSError, ValueError):
        return None
    key = load_key(files.private_key)
    if key is None:
        return None
    return Authority(certificate, key) if certificate.public_key() == key.public_key() else None


def load_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    """The key in this file; None if it holds no P-256 key that can be read."""
    try:
        key = load_pem_private_key(read_file(path), password=None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        return None
    return key


def remark_on(files: KeyPair) -> str:
    """What whoever made this pair, of whatever kind, is to know of it."""
    try:
        certificate = x509.load_pem_x509_certificate(read_file(files.certificate))
        key = load_pem_private_key(read_file(files.private_key), password=None)
    except (OSError, ValueError, TypeError):
        return "one of them is missing or cannot be read"
    if certificate.public_key() != key.public_key():
        return "they do not belong together"
    return f"the certificate ends on {certificate.not_valid_after_utc.date()}"


def _save(
    files: KeyPair,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    write: Write,
) -> None:
    if load_key(files.private_key) is None:
        # A new key: a certificate of the old one goes first, so that they never stand together.
        files.certificate.unlink(missing_ok=True)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write(files.private_key, secret, PRIVATE)
    write(files.certificate, certificate.public_bytes(Encoding.PEM), PUBLIC)


def _serves(
    certificate: x509.Certificate, authority: Authority, names: Sequence[str], now: datetime
) -> bool:
    try:
        certificate.verify_directly_issued_by(authority.certificate)
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    same_names = set(_alternative_names(names)) == set(extension.value)
    return same_names and _lasts(certificate, now, RENEW_LEAF_BEFORE)


def _lasts(certificate: x509.Certificate, now: datetime, margin: timedelta) -> bool:
    begun = certificate.not_valid_before_utc <= now
    return begun and now + margin < certificate.not_valid_after_utc


def _subject(name: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Splitkeep")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _draft(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    draft = x509.CertificateBuilder(
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - BACKDATED,
        not_valid_after=now + lifetime,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    return draft.add_extension(identifier, critical=False)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _both_purposes() -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    )


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general_name(name) for name in names])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
