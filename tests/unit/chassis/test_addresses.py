"""Hosts and targets as settings give them."""

import socket

import pytest

from chassis.addresses import check_target, listen
from chassis.config_values import ValueProblemError


@pytest.mark.parametrize("host", ["a..b", "a" * 64, ".", "\ud800"])
def test_a_host_that_is_no_name_does_not_resolve(host: str) -> None:
    with pytest.raises(socket.gaierror):
        listen(host, 0)


@pytest.mark.parametrize(
    "target",
    ["metadata:9402", "127.0.0.1:1", "[::1]:9402", "dns:///metadata:9402", "ipv4:127.0.0.1:1"],
)
def test_a_target_is_a_host_and_a_port_or_an_address_of_grpcs(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize(
    "target",
    [
        *("metadata", "", ":9402", "metadata:", "metadata:port", "metadata:70000", "::1"),
        *("http://metadata:9402", "https://metadata:9402"),
        *("meta data:9402", "metadata:9402\n", "\udcff:9402", "dns:\udcff:1"),
    ],
)
def test_a_target_that_no_call_could_reach_is_refused(target: str) -> None:
    with pytest.raises(ValueProblemError, match="must be HOST:PORT"):
        check_target(target)
