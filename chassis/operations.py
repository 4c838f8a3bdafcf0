"""The port for operators: /metrics, /livez and /healthz (alive), /readyz (able to serve).

Plain HTTP, without TLS.

A few lines of HTTP of its own, so that neither a service nor a supervisor of workers loads a
web framework for three short answers.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Protocol

import structlog

from chassis.addresses import listen
from chassis.listening import port_problem
from chassis.openmetrics import in_form
from chassis.readiness import Readiness

REQUEST_TIMEOUT_SECONDS = 10.0
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

_log = structlog.get_logger(__name__)

_Answer = tuple[int, str, bytes]  # status, content type, body


class Exposition(Protocol):
    """What has metrics to show; chassis.metrics.Metrics is one."""

    def exposition(self) -> bytes:
        """All values, in the Prometheus text format."""
        ...


class Vitals(Protocol):
    """What the operators' port shows."""

    async def metrics(self) -> bytes:
        """All values, in the Prometheus text format."""
        ...

    async def failing(self) -> Sequence[str]:
        """What keeps it from serving, by name; nothing if it is ready."""
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


class OperationsPort:
    """Shows Vitals to whoever asks; a connection carries one request."""

    def __init__(
        self, host: str, port: int, vitals: Vitals, *, setting: str = "the port's setting"
    ) -> None:
        self._address, self._vitals, self._setting = (host, port), vitals, setting
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """The bound port's number. Raises StartRefusedError if the address is not free."""
        try:
            listener = listen(*self._address)
        except OSError as error:
            raise port_problem(*self._address, self._setting, error) from error
        port: int = listener.getsockname()[1]
        self._server = await asyncio.start_server(
            self._serve, sock=listener, limit=REQUEST_BYTES
        )
        return port

    async def stop(self) -> None:
        """The port is closed."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                first, *fields = head.decode("latin-1").split("\r\n")
                method, target, _ = first.split(" ")
                path = target.partition("?")[0]
                answer = await self._answer(method, path, _accepts(fields))
                writer.write(_rendered(answer, with_body=method != "HEAD"))
                await writer.drain()
        except _CLIENTS_FAULTS as error:
            _log.debug("operations request broken off", reason=type(error).__name__)
        finally:
            writer.close()

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
