"""Which client a connection comes from: the unit that limits per source count. Pure.

An IPv4 address, or the /64 of an IPv6 address, which is what one subscriber usually has
(RFC 6177).
"""

from ipaddress import IPv6Address, ip_address
from urllib.parse import quote, unquote

_NETWORK_BITS = 64


def source_of(host: str) -> str:
    """The source of an address; the text itself if it is not an address."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    network = int(address) >> _NETWORK_BITS << _NETWORK_BITS
    return f"{IPv6Address(network)}/{_NETWORK_BITS}"


def source_of_peer(peer: str) -> str:
    """The source of a peer as gRPC names it, e.g. `ipv4:192.0.2.1:5000`."""
    kind, _, address = peer.partition(":")
    host = unquote(address).rpartition(":")[0].strip("[]")
    return source_of(host) if host else kind


def peer_name(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """What gRPC calls the peer whose address this is, as socket.getpeername() returns it."""
    host, port, *more = address
    parsed = ip_address(host.partition("%")[0])
    if not isinstance(parsed, IPv6Address):
        return f"ipv4:{host}:{port}"
    if parsed.ipv4_mapped is not None:
        return f"ipv4:{parsed.ipv4_mapped}:{port}"
    scope = f"%{more[1]}" if more and more[1] else ""
    return f"ipv6:{quote(f'[{parsed}{scope}]', safe=':')}:{port}"
