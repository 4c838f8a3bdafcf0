"""Addresses to listen on, of either family, in the forms that sockets and gRPC take.

An IPv6 address is written with or without its brackets. `::` is every address of both families
where the machine has both.
"""

import socket

BACKLOG = 1_024


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
    found = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    family, *_, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, (str(address[0]), port)
