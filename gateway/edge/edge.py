"""The outermost layer: an id, one log line and a well-formed answer for every request.

An answer that fails after it has begun is cut off, never ended: the connection closes inside
the body, so that half a list cannot pass for a whole one.
"""

from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.acceptance import awaited_acceptance
from chassis.line_limit import LineLimit
from chassis.log_level import LogLevel
from chassis.redaction import describe_exception
from chassis.request_id import accepted_or_new, bind_request_id
from gateway.edge.exchange import REQUEST_ID_HEADER, Exchange
from gateway.edge.http_metrics import WATCH, HttpMetrics
from gateway.edge.paths import canonical_path, check_path, prefix_of
from gateway.edge.request_lines import RequestLines
from gateway.edge.request_state import is_watch, route_of, target_of
from gateway.edge.websocket import WatchSocket
from gateway.errors import ClientGoneError
from gateway.status import INTERNAL, failure_of

CLIENT_GONE = 499
"""For logs and metrics only: nobody is there to read it."""

_FAILED = LineLimit("request failed", LogLevel.ERROR)
_CUT_OFF = LineLimit("answer cut off")


class Edge:
    """Wraps the router. What goes wrong inside ends here, as a `Status` and without a trace."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._lines = RequestLines()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: HTTP, and WebSocket for what it serves."""
        socket = WatchSocket(scope, receive, send) if scope["type"] == "websocket" else None
        if socket is not None:
            scope, receive, send = socket.scope, socket.receive, socket.send
        request_id = accepted_or_new(_requested_id(scope))
        exchange = Exchange(scope, receive, send, request_id=request_id)
        with bind_request_id(request_id), awaited_acceptance() as acceptance:
            started = perf_counter()
            try:
                await self._answer(scope, exchange, request_id, socket)
            finally:
                seconds = perf_counter() - started
                self._observe(scope, exchange.status, seconds, accepted=acceptance.given)

    async def _answer(
        self, scope: Scope, exchange: Exchange, request_id: str, socket: WatchSocket | None
    ) -> None:
        try:
            if socket is not None:
                socket.admit()
            check_path(scope["raw_path"])
            scope["path"] = canonical_path(scope["path"])
            scope["root_path"] = prefix_of(scope["path"])
            await self._app(scope, exchange.receive, exchange.send)
        except ClientGoneError:
            exchange.status = exchange.status or CLIENT_GONE
        except Exception as error:  # noqa: BLE001  # the table decides; no error gets past here
            await _fail(error, scope, exchange, request_id)

    def _observe(self, scope: Scope, status: int, seconds: float, *, accepted: bool) -> None:
        method = WATCH if is_watch(scope) else scope["method"]
        route = route_of(scope)
        self._metrics.observe(method=method, route=route, status=status, seconds=seconds)
        self._lines.say(
            accepted=accepted, method=method, route=route, status=status, seconds=seconds
        )


async def _fail(error: Exception, scope: Scope, exchange: Exchange, request_id: str) -> None:
    failure = failure_of(error, target=target_of(scope), request_id=request_id)
    if failure.reason is INTERNAL:
        _FAILED.say(failure=describe_exception(error))
    if exchange.status:
        _CUT_OFF.say(reason=failure.reason.name)
        return
    await exchange.refuse(failure)


def _requested_id(scope: Scope) -> str | None:
    values = [value for name, value in scope["headers"] if name == REQUEST_ID_HEADER]
    return values[0].decode("latin-1") if len(values) == 1 else None
