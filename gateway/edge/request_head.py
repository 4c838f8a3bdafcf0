"""A request's head, before anything is made of it: what every reader takes alike, or 400."""

import re

from gateway.errors import BadRequestError

_HOST = re.compile(
    rb"(\[[0-9A-Za-z:.%_~-]+\]|[0-9A-Za-z._~%!$&'()*+,;=-]*)"  # in brackets an IPv6 address
    rb"(:[0-9]*)?"
)
"""`uri-host [":" port]` of RFC 9110 §7.2, as loosely as no reader can misread it."""


HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""The headers that `Connection` may name (RFC 9110 §7.6.1)."""


def check_target(target: bytes) -> None:
    """Raises BadRequestError: the target has a fragment or a user.

    A `#` and what follows is for clients (RFC 9112 §3.2). The parser would cut it off, a query
    behind it included, such as the one that makes a request a trial. A user before the host of
    a target in absolute form is an error (RFC 9110 §4.2.4) and may be a credential.
    """
    if b"#" in target:
        raise BadRequestError("the request's target must not have a fragment: # is written %23")
    authority = b"" if target.startswith(b"/") else target.partition(b"://")[2]
    if b"@" in re.split(rb"[/?]", authority, maxsplit=1)[0]:
        raise BadRequestError("the request's target must not have a user before its host")


def check_connection(headers: list[tuple[bytes, bytes]]) -> None:
    """Raises BadRequestError: `Connection` names a header that is meant for the server.

    A proxy removes the headers that `Connection` names, so that the gateway and a proxy before
    it would not act on the same request. Names of headers are in lower case.
    """
    listed = b",".join(value for name, value in headers if name == b"connection")
    options = {option.strip().lower() for option in listed.split(b",")}
    if not options.isdisjoint({name for name, _ in headers} - HOP_BY_HOP):
        raise BadRequestError("the Connection header must not name a header of the request")


def check_host(headers: list[tuple[bytes, bytes]], http_version: str) -> None:
    """Raises BadRequestError unless one host is named, or none in HTTP/1.0 (RFC 9112 §3.2).

    Names of headers are in lower case. Which host it is means nothing here; a proxy before
    the gateway may have chosen by the other one.
    """
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and http_version != "1.0"):
        raise BadRequestError("the request must have one Host header")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise BadRequestError("the Host header must be a host and at most a port")
