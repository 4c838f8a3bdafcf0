"""Which sockets a process has open."""

import os
import socket
from pathlib import Path

from chassis.own_sockets import is_listener, local_port, own_sockets


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_listeners_and_connections_are_listed_and_other_files_are_not(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0],
        socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        (tmp_path / "file").open("w"),
    ):
        datagrams.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

        found = [is_listener(each) for each in own_sockets() if local_port(each) == port]
        numbers = {local_port(each) for each in own_sockets()}

        assert sorted(found) == [False, True]
        assert datagrams.getsockname()[1] not in numbers


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Files and pipes are duplicated too, before it is known that they are no sockets."""
    reading, writing = os.pipe()
    try:
        with (tmp_path / "file").open("w"), socket.create_server(("127.0.0.1", 0)):
            before = open_descriptors()
            for _ in own_sockets():
                pass

            assert open_descriptors() == before
    finally:
        os.close(reading)
        os.close(writing)
