"""Whether a Docker engine answers, asked without its client."""

import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

DEFAULT_HOST = "unix:///var/run/docker.sock"
TIMEOUT_SECONDS = 2.0
PING = b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"


def engine_answers(environ: Mapping[str, str]) -> bool:
    """Whether the engine at DOCKER_HOST, or at its usual socket, answers a ping."""
    host = urlsplit(environ.get("DOCKER_HOST") or DEFAULT_HOST)
    try:
        with _connect(host.scheme, host.path, host.hostname, host.port) as connection:
            connection.sendall(PING)
            return b" 200 " in connection.recv(64)
    except (OSError, ValueError):
        return False


def _connect(scheme: str, path: str, name: str | None, port: int | None) -> socket.socket:
    if scheme != "unix":
        return socket.create_connection((name or "", port or 2375), TIMEOUT_SECONDS)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(TIMEOUT_SECONDS)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection
