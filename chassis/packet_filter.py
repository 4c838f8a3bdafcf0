"""A filter of the kernel's that drops new connections of some sources to a listening socket.

The kernel runs it for every packet that comes to the listener itself, before it keeps any state
of a connection: a dropped SYN costs no turn of the process and no memory. No privilege is
needed. Connections that were accepted before are not touched.

Sources: bpf(4) and Linux' Documentation/networking/filter.rst (classic BPF, SKF_NET_OFF),
socket(7) (SO_ATTACH_FILTER), RFC 791 §3.1 and RFC 8200 §3 (where the source address stands).
"""

import ctypes
import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Network, ip_network

_ATTACH_FILTER = 26  # SO_ATTACH_FILTER, for which Python has no name
_LOAD_WORD, _LOAD_BYTE, _AND = 0x20, 0x30, 0x54
_JUMP, _JUMP_IF_EQUAL, _RETURN = 0x05, 0x15, 0x06
_IP_HEADER = 0xFFF00000  # SKF_NET_OFF, as an unsigned number
_IPV4_SOURCE, _IPV6_SOURCE = _IP_HEADER + 12, _IP_HEADER + 8
_VERSION, _VERSION_6 = 0xF0, 0x60  # in the first byte of either header
_ALL = 0xFFFFFFFF
_ACCEPT, _DROP = (_RETURN, 0, 0, _ALL), (_RETURN, 0, 0, 0)

_Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def program(sources: Iterable[str]) -> list[_Instruction]:
    """What drops the packets of these sources (chassis/source_address.py) and no other."""
    networks = [ip_network(source) for source in sources]
    four = [each.network_address for each in networks if each.version == 4]  # noqa: PLR2004
    six = [each for each in networks if isinstance(each, IPv6Network)]
    of_four = [step for address in four for step in _drop_ipv4(IPv4Address(address))]
    return [
        (_LOAD_BYTE, 0, 0, _IP_HEADER),
        (_AND, 0, 0, _VERSION),
        (_JUMP_IF_EQUAL, 0, 1, _VERSION_6),
        (_JUMP, 0, 0, len(of_four) + 2),
        (_LOAD_WORD, 0, 0, _IPV4_SOURCE),
        *of_four,
        _ACCEPT,
        *(step for network in six for step in _drop_ipv6(network)),
        _ACCEPT,
    ]


def _drop_ipv4(address: IPv4Address) -> list[_Instruction]:
    return [(_JUMP_IF_EQUAL, 0, 1, int(address)), _DROP]


def _drop_ipv6(network: IPv6Network) -> list[_Instruction]:
    """By the upper 64 bits of the address: they are one source."""
    upper = int(network.network_address) >> 64
    return [
        (_LOAD_WORD, 0, 0, _IPV6_SOURCE),
        (_JUMP_IF_EQUAL, 0, 3, upper >> 32),
        (_LOAD_WORD, 0, 0, _IPV6_SOURCE + 4),
        (_JUMP_IF_EQUAL, 0, 1, upper & _ALL),
        _DROP,
    ]


def drop_packets(listener: socket.socket, sources: Iterable[str]) -> None:
    """New connections of these sources are dropped, and of no other; of none without sources.

    Raises OSError where the system has no such filters.
    """
    steps = program(sources)
    instructions = ctypes.create_string_buffer(
        b"".join(struct.pack("=HBBI", *step) for step in steps)
    )
    header = struct.pack("@HP", len(steps), ctypes.addressof(instructions))
    listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, header)
