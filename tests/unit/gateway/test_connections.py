"""What is agreed with the operating system about a connection."""

import socket

import pytest

from gateway.edge.connection import DEAD_PEER_OPTIONS, notice_dead_peer


def test_a_peer_that_no_longer_answers_is_asked_whether_it_is_there() -> None:
    with socket.socket() as connection:
        notice_dead_peer(connection)

        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        for name, value in DEAD_PEER_OPTIONS.items():
            option = getattr(socket, name, None)
            if option is None:
                pytest.skip(f"this system has no {name}")
            assert connection.getsockopt(socket.IPPROTO_TCP, option) == value
