"""Alive, ready, and which version: what load balancers and client libraries ask first."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from chassis.errors import KnownError
from gateway.errors import NotReadyError
from gateway.published import Answer

Checks = Mapping[str, Callable[[], Awaitable[None]]]

KUBERNETES_MAJOR, KUBERNETES_MINOR = "1", "35"
"""The Kubernetes release whose API conventions are followed: client libraries compare it."""

GRAFANA_RELEASE = "13.3.0"
"""The Grafana release whose API is followed: gcx refuses to speak to one before 12.0.0."""

UNSAID = dict.fromkeys(
    ("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"), ""
)
"""What Kubernetes says of its build: client libraries want the fields to be there."""

READY_SECONDS = 1.0
"""How long one answer is given to everyone who asks: nobody needs a token to ask."""


class Health:
    """Answers on the port that clients use, so that a proxy sees what they would see."""

    def __init__(self, *, checks: Checks, release: str) -> None:
        self._checks = checks
        self._release = release
        self._asked: asyncio.Task[tuple[str, ...]] | None = None
        self._asked_at = 0.0

    def paths(self) -> dict[str, Answer]:
        """What is answered where."""
        return {
            "/healthz": self.alive,
            "/readyz": self.ready,
            "/version": self.version,
            "/api/health": self.grafana_health,
        }

    async def alive(self, _request: Request) -> Response:
        """The process can answer."""
        return PlainTextResponse("ok")

    async def ready(self, _request: Request) -> Response:
        """Every part can be reached. Raises NotReadyError with the names of the others."""
        failing = await self._failing_now()
        if failing:
            raise NotReadyError(f"not ready: {', '.join(failing)}")
        return PlainTextResponse("ok")

    async def grafana_health(self, _request: Request) -> Response:
        """Readiness in the words of Grafana, whose clients ask for it before anything else."""
        ready = not await self._failing_now()
        body = {
            "commit": "",
            "database": "ok" if ready else "failing",
            "version": f"{GRAFANA_RELEASE}+splitkeep-{self._release}",
        }
        return Response(
            msgspec.json.encode(body),
            status_code=200 if ready else 503,
            media_type="application/json",
        )

    async def _failing_now(self) -> tuple[str, ...]:
        """The parts that cannot be reached, as of READY_SECONDS ago or later."""
        now = asyncio.get_running_loop().time()
        if self._asked is None or now - self._asked_at > READY_SECONDS:
            self._asked, self._asked_at = asyncio.create_task(self._failing()), now
        return await asyncio.shield(self._asked)

    async def version(self, _request: Request) -> Response:
        """Kubernetes' `version.Info`, with our release as build metadata."""
        number = f"v{KUBERNETES_MAJOR}.{KUBERNETES_MINOR}.0+splitkeep-{self._release}"
        body = UNSAID | {
            "major": KUBERNETES_MAJOR,
            "minor": KUBERNETES_MINOR,
            "gitVersion": number,
        }
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def _failing(self) -> tuple[str, ...]:
        outcomes = await asyncio.gather(*(_works(check) for check in self._checks.values()))
        return tuple(
            name for name, works in zip(self._checks, outcomes, strict=True) if not works
        )


async def _works(check: Callable[[], Awaitable[None]]) -> bool:
    try:
        await check()
    except KnownError:
        return False
    return True
