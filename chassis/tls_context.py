"""An ssl.SSLContext that follows its files, for servers that take one."""

import ssl

import structlog

from chassis.plain_http import HttpsContext
from chassis.tls_files import Tls, TlsFilesError, check_pair

_log = structlog.get_logger(__name__)


def rotating_context(tls: Tls) -> ssl.SSLContext:
    """A server's context; each handshake uses what the files hold by then, if it fits together.

    Raises OSError, ssl.SSLError or TlsFilesError if they do not fit together at the start.
    """
    version, current = tls.version(), _context(tls)

    def renew(connection: ssl.SSLObject, _name: str | None, _asked: ssl.SSLContext) -> None:
        nonlocal version, current
        try:
            found = tls.version()
            if found != version:
                current = _context(tls)
                version = found
                _log.info("certificate renewed", file=tls.certificate_chain)
        except (OSError, TlsFilesError) as error:  # ssl.SSLError is an OSError
            _log.warning("certificate not renewed", reason=type(error).__name__)
        connection.context = current

    listening = _context(tls)
    # OpenSSL asks at every handshake, whether or not the client names the server.
    listening.sni_callback = renew
    return listening


def _context(tls: Tls) -> ssl.SSLContext:
    check_pair(tls.certificate_chain.read_bytes(), tls.private_key.read_bytes())
    context = HttpsContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate_chain, tls.private_key)
    if tls.client_ca is not None:
        context.load_verify_locations(tls.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
