"""Alive, ready, and which version: what load balancers and client libraries ask first."""

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from chassis.readiness import Readiness
from gateway.errors import NotReadyError
from gateway.published import Answer

KUBERNETES_MAJOR, KUBERNETES_MINOR = "1", "35"
"""The Kubernetes release whose API conventions are followed: client libraries compare it."""

GRAFANA_RELEASE = "13.3.0"
"""The Grafana release whose API is followed: gcx refuses to speak to one before 12.0.0."""

UNSAID = dict.fromkeys(
    ("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"), ""
)
"""What Kubernetes says of its build: client libraries want the fields to be there."""


class Health:
    """Answers on the port that clients use, so that a proxy sees what they would see."""

    def __init__(self, *, readiness: Readiness, release: str) -> None:
        self._readiness, self._release = readiness, release

    def paths(self) -> dict[str, Answer]:
        """What is answered where."""
        return {
            "/healthz": self.alive,
            "/livez": self.alive,
            "/readyz": self.ready,
            "/version": self.version,
            "/api/health": self.grafana_health,
        }

    async def alive(self, _request: Request) -> Response:
        """The process can answer."""
        return PlainTextResponse("ok")

    async def ready(self, _request: Request) -> Response:
        """Every part can do its work. Raises NotReadyError with the names of the others."""
        failing = await self._readiness.failing()
        if failing:
            raise NotReadyError(f"not ready: {', '.join(failing)}")
        return PlainTextResponse("ok")

    async def grafana_health(self, _request: Request) -> Response:
        """Readiness in the words of Grafana, whose clients ask for it before anything else."""
        ready = not await self._readiness.failing()
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

    async def version(self, _request: Request) -> Response:
        """Kubernetes' `version.Info`, with our release as build metadata."""
        number = f"v{KUBERNETES_MAJOR}.{KUBERNETES_MINOR}.0+splitkeep-{self._release}"
        body = UNSAID | {
            "major": KUBERNETES_MAJOR,
            "minor": KUBERNETES_MINOR,
            "gitVersion": number,
        }
        return Response(msgspec.json.encode(body), media_type="application/json")
