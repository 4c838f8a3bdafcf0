"""The port for operators: /metrics, /livez and /healthz (alive), /readyz (able to serve).

Plain HTTP, without TLS.

A few lines of HTTP of its own, so that neither a service nor a supervisor of workers loads a
web framework for three short answers.
"""

import asyncio
import json
import socket
from collections.abc import Sequence
from typing import Protocol

from chassis.acceptor import Acceptor
from chassis.addresses import listen
from chassis.connection_slots import ConnectionSlots, Slot
from chassis.descriptors import OPERATIONS_CONNECTIONS
from chassis.line_limit import LineLimit
from chassis.listening import port_problem
from chassis.log_level import LogLevel
from chassis.openmetrics import in_form
from chassis.readiness import Readiness

PORT = "operations"
REQUEST_TIMEOUT_SECONDS = 10.0
HEAD_SECONDS = 2.0
REQUEST_BYTES = 65_536
TEXT = "text/plain; charset=utf-8"
_REASONS = {
    200: "OK",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}

# Whatever a client does to its own connection; ValueError is a first line that is no request's.
_CLIENTS_FAULTS = (
    OSError,
    TimeoutError,
    ValueError,
    asyncio.IncompleteReadError,
    asyncio.LimitOverrunError,
)

_BROKEN_OFF = LineLimit("operations request broken off", LogLevel.DEBUG)

_Answer = tuple[int, str, bytes]  # status, content type, body


class Exposition(Protocol):
    """What has metrics to show and counts; chassis.metrics.Metrics is one."""

    def exposition(self) -> bytes:
        """All values, in the Prometheus text format."""
        ...

    def refused(self, port: str, reason: str) -> None:
        """One more connection was refused at the port."""
        ...


class Vitals(Protocol):
    """What the operators' port shows."""

    async def metrics(self) -> bytes:
        """All values, in the Prometheus text format."""
        ...

    async def failing(self) -> Sequence[str]:
        """What keeps it from serving, by name; nothing if it is ready."""
        ...

    def refused(self, reason: str) -> None:
        """One more connection to this port was refused."""
        ...


class ProcessVitals:
    """Those of one process."""

    def __init__(self, metrics: Exposition, readiness: Readiness) -> None:
        self._metrics, self._readiness = metrics, readiness

    async def metrics(self) -> bytes:
        """See Vitals."""
        return self._metrics.exposition()

    async def failing(self) -> Sequence[str]:
        """See Vitals."""
        return await self._readiness.failing()

    def refused(self, reason: str) -> None:
        """See Vitals."""
        self._metrics.refused(PORT, reason)


class OperationsPort:
    """Shows Vitals to whoever asks; a connection carries one request.

    At most OPERATIONS_CONNECTIONS are open; one more is reset as it is accepted.
    """

    def __init__(
        self, host: str, port: int, vitals: Vitals, *, setting: str = "the port's setting"
    ) -> None:
        self._address, self._vitals, self._setting = (host, port), vitals, setting
        self._slots = ConnectionSlots(OPERATIONS_CONNECTIONS, refused=vitals.refused)
        self._acceptor: Acceptor | None = None

    async def start(self) -> int:
        """The bound port's number. Raises StartRefusedError if the address is not free."""
        try:
            listener = listen(*self._address)
        except OSError as error:
            raise port_problem(*self._address, self._setting, error) from error
        port: int = listener.getsockname()[1]
        self._acceptor = Acceptor(listener, self._slots, self._serve)
        self._acceptor.start()
        return port

    async def stop(self) -> None:
        """The port is closed."""
        if self._acceptor is not None:
            self._acceptor.close()

    async def _serve(self, connection: socket.socket, slot: Slot) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                await self._exchange(connection)
        except _CLIENTS_FAULTS as error:
            _BROKEN_OFF.say(reason=type(error).__name__)
        finally:
            slot.release()

    async def _exchange(self, connection: socket.socket) -> None:
        """One request is answered. The connection is closed, whether or not that was read."""
        reader, writer = await asyncio.open_connection(sock=connection, limit=REQUEST_BYTES)
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            first, *fields = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            path = target.partition("?")[0]
            answer = await self._answer(method, path, _accepts(fields))
            writer.write(_rendered(answer, with_body=method != "HEAD"))
            writer.close()
            await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _answer(self, method: str, path: str, accepts: str) -> _Answer:
        if path not in {"/metrics", "/healthz", "/livez", "/readyz"}:
            return 404, TEXT, b"not found\n"
        if method not in {"GET", "HEAD"}:
            return 405, TEXT, b"method not allowed\n"
        if path == "/metrics":
            return 200, *in_form(await self._vitals.metrics(), accepts)
        if path in {"/healthz", "/livez"}:
            return 200, TEXT, b"ok\n"
        return await self._readiness()

    async def _readiness(self) -> _Answer:
        failing = list(await self._vitals.failing())
        body = json.dumps({"ready": not failing, "failing": failing}).encode()
        return 503 if failing else 200, "application/json", body


class OperationsServer:
    """The operators' port of a process that has nobody beside it."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        metrics: Exposition,
        readiness: Readiness,
        setting: str = "the port's setting",
    ) -> None:
        vitals = ProcessVitals(metrics, readiness)
        self._port = OperationsPort(host, port, vitals, setting=setting)

    async def start(self) -> int:
        """See OperationsPort."""
        return await self._port.start()

    async def stop(self) -> None:
        """The port is closed."""
        await self._port.stop()


def _accepts(fields: Sequence[str]) -> str:
    named = (field.partition(":") for field in fields)
    return ",".join(text for name, _, text in named if name.lower() == "accept")


def _rendered(answer: _Answer, *, with_body: bool) -> bytes:
    status, content_type, body = answer
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {content_type}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")
