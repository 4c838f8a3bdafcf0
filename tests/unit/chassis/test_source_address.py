"""Which addresses count as one client."""

import pytest

from chassis.source_address import peer_name, source_of, source_of_peer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_addresses_of_one_client_are_one_source(one: str, other: str) -> None:
    assert source_of(one) == source_of(other)


@pytest.mark.parametrize(
    ("one", "other"), [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1")]
)
def test_addresses_of_two_clients_are_two_sources(one: str, other: str) -> None:
    assert source_of(one) != source_of(other)


@pytest.mark.parametrize(
    ("peer", "source"),
    [
        ("ipv4:192.0.2.1:5000", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:5000", "2001:db8::/64"),
        ("ipv6:[2001:db8::ffff:1]:5000", "2001:db8::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5000", "fe80::/64"),
        ("ipv6:[::ffff:192.0.2.1]:5000", "192.0.2.1"),
        ("unix:/run/socket", "unix"),
        ("unix:", "unix"),
        ("", ""),
    ],
)
def test_the_source_of_a_peer_is_its_address_or_its_network(peer: str, source: str) -> None:
    assert source_of_peer(peer) == source


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        (("192.0.2.1", 5000), "ipv4:192.0.2.1:5000"),
        (("::ffff:192.0.2.1", 5000, 0, 0), "ipv4:192.0.2.1:5000"),
        (("2001:db8::1", 5000, 0, 0), "ipv6:%5B2001:db8::1%5D:5000"),
        (("fe80::1", 5000, 0, 2), "ipv6:%5Bfe80::1%252%5D:5000"),
        (("fe80::1%eth0", 5000, 0, 2), "ipv6:%5Bfe80::1%252%5D:5000"),
    ],
)
def test_the_peer_of_a_socket_is_named_as_grpc_names_it(
    address: tuple[str, int], peer: str
) -> None:
    """tests/integration/chassis/test_flood_control.py compares with gRPC's own names."""
    assert peer_name(address) == peer
