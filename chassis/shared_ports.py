"""Ports that several processes listen on together, held by one that does not listen.

- A bound socket with SO_REUSEPORT that never listens gets no connection. It keeps the number:
  processes of this user that set SO_REUSEPORT as well may listen there, nobody else.
- It is refused where anybody listens or holds already, so that two services never share the
  connections of one port by mistake.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from chassis.addresses import resolved
from chassis.listening import port_problem

_WILDCARDS = ("", "0.0.0.0", "::", "[::]")  # noqa: S104  # recognised, not chosen


@contextmanager
def held_ports(
    host: str, wanted: Mapping[str, int], settings: Mapping[str, str]
) -> Iterator[dict[str, int]]:
    """The ports' numbers, kept meanwhile for processes of this user; 0 chose a free one.

    `settings` names the variable of each port. Raises StartRefusedError if one cannot be had.
    """
    with ExitStack() as held:
        numbers = {}
        for name, number in wanted.items():
            try:
                for family, address in _addresses(host):
                    number = _hold(family, address, number, held)  # noqa: PLW2901  # 0 → its number
            except OSError as error:
                raise port_problem(host, number, settings[name], error) from error
            numbers[name] = number
        yield numbers


def check_free(host: str, number: int, setting: str) -> None:
    """Returns if the port can be listened on, by a process that shares it with nobody.

    Raises StartRefusedError, which names the setting.
    """
    try:
        for family, address in _addresses(host):
            _probe(family, address, number)
    except OSError as error:
        raise port_problem(host, number, setting, error) from error


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """As gRPC listens: a wildcard is both families on one socket where that exists."""
    if host in _WILDCARDS:
        if socket.has_dualstack_ipv6():
            return [(socket.AF_INET6, "::")]
        return [(socket.AF_INET, "0.0.0.0")]  # noqa: S104  # as configured
    return list(dict.fromkeys(resolved(host.strip("[]"))))


def _hold(family: socket.AddressFamily, host: str, number: int, held: ExitStack) -> int:
    if number:
        _probe(family, host, number)
    holder = held.enter_context(_socket(family, host))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind((host, number))
    bound: int = holder.getsockname()[1]
    return bound


def _probe(family: socket.AddressFamily, host: str, number: int) -> None:
    """Raises OSError if somebody listens there or holds it, sharing or not."""
    with _socket(family, host) as probe:
        # As servers do: a port whose old connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, number))


def _socket(family: socket.AddressFamily, host: str) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6 and host == "::":
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return made
