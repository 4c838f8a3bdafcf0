"""How one call ended: its status for the caller, its line in the log, its count."""

import asyncio
import time
from types import TracebackType
from typing import Any, Self

import grpc
import structlog

from chassis.errors import (
    DeadlineExceededError,
    KnownError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.grpc_status import DETAILS_KEY, status_code, to_status
from chassis.metrics import Metrics
from chassis.redaction import describe_exception
from chassis.request_id import REQUEST_ID_KEY

_log = structlog.get_logger(__name__)

_WORTH_A_WARNING = (UnavailableError, DeadlineExceededError)
_WORTH_A_LINE = (UnauthenticatedError,)


class Outcome:
    """Counts and times the call when the block ends, as OK unless told otherwise."""

    def __init__(self, service: str, method: str, metrics: Metrics, request_id: str) -> None:
        self._service, self._method, self._metrics = service, method, metrics
        self._request_id = request_id
        self._code = grpc.StatusCode.OK
        self._error: KnownError | None = None
        self._passed_on: grpc.aio.AbortError | None = None
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            self._code = grpc.StatusCode.CANCELLED
        seconds = time.perf_counter() - self._started
        self._metrics.calls.labels(self._service, self._method, self._code.name).inc()
        self._metrics.call_seconds.labels(self._service, self._method).observe(seconds)

    def failed(self, error: Exception) -> None:
        """The call ended in this error; what is not in the vocabulary is logged as a bug."""
        if isinstance(error, KnownError):
            self._error, self._code = error, status_code(error)
            self._log(error)
            return
        self._code = grpc.StatusCode.INTERNAL
        if isinstance(error, grpc.aio.AbortError):
            self._passed_on = error
            return
        _log.error("call failed", **self._fields(), failure=describe_exception(error))

    async def abort(self, context: Any) -> None:
        """Ends the call with the error's status; always raises, as gRPC wants it."""
        if self._passed_on is not None:
            raise self._passed_on
        metadata: list[tuple[str, str | bytes]] = [(REQUEST_ID_KEY, self._request_id)]
        if self._error is None:
            await context.abort(self._code, "internal error", tuple(metadata))
            return
        status = to_status(self._error)
        metadata.append((DETAILS_KEY, status.SerializeToString()))
        await context.abort(self._code, status.message, tuple(metadata))

    def _log(self, error: KnownError) -> None:
        if isinstance(error, _WORTH_A_WARNING):
            _log.warning("call failed", **self._fields(), failure=describe_exception(error))
        elif isinstance(error, _WORTH_A_LINE):
            _log.info("call refused", **self._fields(), rule=error.message)

    def _fields(self) -> dict[str, str]:
        return {"rpc": f"{self._service}/{self._method}", "code": self._code.name}
