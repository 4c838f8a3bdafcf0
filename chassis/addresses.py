"""Addresses to listen on, of either family, in the forms that sockets and gRPC take.

An IPv6 address is written with or without its brackets. `::` is every address of both families
where the machine has both. A target is where a peer of gRPC's is.
"""

import re
import socket

from chassis.config_values import ValueProblemError

BACKLOG = 1_024
_HIGHEST_PORT = 65_535

_HOST_AND_PORT = re.compile(r"(?:\[[!-Z^-~]+\]|[!-.0-9;-Z\\^-~]+):([0-9]{1,5})")
# gRPC documentation, "gRPC Name Resolution".
_OF_GRPC = re.compile(r"(?:dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):[!-~]+")


def check_target(text: str) -> None:
    """Returns if it says where a peer is. Raises ValueProblemError."""
    found = _HOST_AND_PORT.fullmatch(text)
    if found and 0 < int(found[1]) <= _HIGHEST_PORT:
        return
    if not _OF_GRPC.fullmatch(text):
        raise ValueProblemError("must be HOST:PORT, without a scheme such as https://")


def host_and_port(host: str, port: int) -> str:
    """HOST:PORT, with an IPv6 address in brackets (RFC 3986 §3.2.2)."""
    bare = host.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 picks a free one.

    A name with addresses of both families is listened on at its IPv4 one. Raises OSError.
    """
    bare = host.strip("[]")
    family, address = _address(bare, port)
    both = bare == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=both)


def _address(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    found = resolved(host, flags=socket.AI_PASSIVE)
    family, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, (address, port)


def resolved(host: str, *, flags: int = 0) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses of the host, without their ports.

    Raises socket.gaierror, also for what cannot be a name.
    """
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return [(family, str(address[0])) for family, *_, address in found]
