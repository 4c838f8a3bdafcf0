"""An ssl.SSLContext that follows its files, for servers that take one."""

import ssl

import structlog

from chassis.plain_http import HttpsContext
from chassis.tls_files import CurrentTls, Tls

_log = structlog.get_logger(__name__)


def rotating_context(current: CurrentTls) -> ssl.SSLContext:
    """A server's context; each handshake uses what the files hold by then, if it fits together.

    Raises OSError, ssl.SSLError if a file changes at this very moment.
    """
    tls = current.files
    given, context = current.contents(), _context(tls)

    def renew(connection: ssl.SSLObject, _name: str | None, _asked: ssl.SSLContext) -> None:
        nonlocal given, context
        found = current.contents()
        if found is not given:
            try:
                context, given = _context(tls), found
            except OSError as error:  # ssl.SSLError is one
                _log.warning("certificate not renewed", reason=type(error).__name__)
        connection.context = context

    listening = _context(tls)
    # OpenSSL asks at every handshake, whether or not the client names the server.
    listening.sni_callback = renew
    return listening


def _context(tls: Tls) -> ssl.SSLContext:
    context = HttpsContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate_chain, tls.private_key)
    if tls.client_ca is not None:
        context.load_verify_locations(tls.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
