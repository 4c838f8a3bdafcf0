"""The port for operators: /metrics, /healthz (alive), /readyz (able to serve). HTTP, no TLS."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from chassis.http_server import HttpServer
from chassis.metrics import Metrics
from chassis.redaction import describe_exception

Check = Callable[[], Awaitable[None]]

CHECK_TIMEOUT_SECONDS = 2.0
STOP_GRACE_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class OperationsServer:
    """Ready as long as every check returns and nobody has called drain()."""

    def __init__(
        self, host: str, port: int, *, metrics: Metrics, checks: Mapping[str, Check]
    ) -> None:
        self._metrics, self._checks = metrics, checks
        self._draining = False
        routes = [
            Route("/metrics", self._exposition),
            Route("/healthz", self._alive),
            Route("/readyz", self._ready),
        ]
        self._server = HttpServer(Starlette(routes=routes), host, port)

    async def start(self) -> int:
        """The bound port's number. Raises OSError if the address is not free."""
        return await self._server.start()

    def drain(self) -> None:
        """From now on /readyz answers 503, so that no new work is sent here."""
        self._draining = True

    async def stop(self) -> None:
        """The port is closed."""
        await self._server.stop(STOP_GRACE_SECONDS)

    async def _exposition(self, _request: Request) -> Response:
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    async def _alive(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, _request: Request) -> Response:
        if self._draining:
            return JSONResponse({"ready": False, "failing": ["draining"]}, status_code=503)
        names = list(self._checks)
        passed = await asyncio.gather(*(_passes(name, self._checks[name]) for name in names))
        failing = [name for name, ok in zip(names, passed, strict=True) if not ok]
        body = {"ready": not failing, "failing": failing}
        return JSONResponse(body, status_code=503 if failing else 200)


async def _passes(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await check()
    except Exception as error:  # noqa: BLE001  # whatever it is, the check has failed
        _log.warning("check failed", check=name, failure=describe_exception(error))
        return False
    return True
