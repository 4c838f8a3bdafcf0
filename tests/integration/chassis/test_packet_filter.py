"""The kernel drops new connections of the sources that a listener does not want."""

import socket
from collections.abc import Iterator

import pytest

from chassis.packet_filter import drop_packets

SHORT_SECONDS = 0.3  # the kernel sends a SYN again after a second


@pytest.fixture(params=["127.0.0.1", "::"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """One of IPv4, and one of both families."""
    both = request.param == "::"
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server((request.param, 0), family=family, dualstack_ipv6=both) as made:
        yield made


@pytest.fixture
def of_both() -> Iterator[socket.socket]:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as made:
        yield made


def connects(listener: socket.socket, source: str, target: str = "127.0.0.1") -> bool:
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(SHORT_SECONDS)
        client.bind((source, 0))
        try:
            client.connect((target, listener.getsockname()[1]))
        except TimeoutError:
            return False
        return True


def test_a_source_cannot_connect_and_others_can(listener: socket.socket) -> None:
    drop_packets(listener, ["192.0.2.1", "127.0.0.2", "2001:db8::/64"])

    assert not connects(listener, "127.0.0.2")
    assert connects(listener, "127.0.0.3")


def test_a_network_of_ipv6_cannot_connect(of_both: socket.socket) -> None:
    drop_packets(of_both, ["127.0.0.2", "2001:db8::/64", "::/64"])

    assert not connects(of_both, "::1", "::1")
    assert connects(of_both, "127.0.0.3")


def test_other_networks_of_ipv6_can_connect(of_both: socket.socket) -> None:
    drop_packets(of_both, ["127.0.0.1", "0:0:0:1::/64", "0:0:1::/64", "2001:db8::/64"])

    assert connects(of_both, "::1", "::1")


def test_the_next_filter_replaces_the_one_before(listener: socket.socket) -> None:
    drop_packets(listener, ["127.0.0.2"])
    drop_packets(listener, ["127.0.0.3"])

    assert connects(listener, "127.0.0.2")
    assert not connects(listener, "127.0.0.3")


def test_without_sources_everyone_can_connect(listener: socket.socket) -> None:
    drop_packets(listener, ["127.0.0.2"])
    drop_packets(listener, [])

    assert connects(listener, "127.0.0.2")


def test_a_connection_that_was_accepted_goes_on(listener: socket.socket) -> None:
    target = ("127.0.0.1", listener.getsockname()[1])
    with socket.create_connection(target, source_address=("127.0.0.2", 0)) as client:
        accepted, _ = listener.accept()
        drop_packets(listener, ["127.0.0.2"])
        with accepted:
            client.sendall(b"ping")
            assert accepted.recv(4) == b"ping"


def test_a_filter_of_many_sources_is_accepted(listener: socket.socket) -> None:
    drop_packets(listener, [f"2001:db8:0:{number:x}::/64" for number in range(128)])

    assert connects(listener, "127.0.0.2")
