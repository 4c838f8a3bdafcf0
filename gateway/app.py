"""Every path the gateway serves, and in which order a request is looked at.

Path (400, 404), verb (405), credential (401), media type (406), room (429); then the verb's own
function reads the body. Nobody without a credential has a body read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.clock import Clock
from gateway.edge.credentials import credential_of
from gateway.edge.edge import Edge
from gateway.edge.http_metrics import HttpMetrics
from gateway.edge.request_state import (
    accept_caller,
    set_form,
    set_introduction,
    set_route,
    set_target,
)
from gateway.edge.room import Room
from gateway.edge.strangers import Strangers
from gateway.edge.websocket import refuse_websocket
from gateway.errors import BadRequestError, MethodNotAllowedError, UnknownPathError
from gateway.kinds import Kind, Target
from gateway.published import Answer
from gateway.queries.query import query_from
from gateway.rendering.forms import Asked, Form, form_for
from gateway.resources.event_streams import EventStream
from gateway.routes import KindVerbs, Verbs, paths_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Admission:
    """How many requests are served at a time, and how many of them for strangers."""

    room: Room
    strangers: Strangers


def make_app(
    *,
    documents: Mapping[str, Answer],
    kinds: Sequence[KindVerbs],
    metrics: HttpMetrics,
    room: Room,
    strangers: Strangers,
    clock: Clock,
) -> ASGIApp:
    """The gateway as one ASGI application; `room` is for requests that need a credential.

    Anyone may read the documents; everything else needs a credential.
    """
    admission = Admission(room, strangers)
    routes: list[BaseRoute] = [
        Route(path, PlainEndpoint(path, answer)) for path, answer in documents.items()
    ]
    for kind in kinds:
        for version in kind.versions:
            routes += _routes_of(kind, version, admission, clock)
    return Edge(Router(routes, redirect_slashes=False, default=_unknown_path), metrics)


def _routes_of(
    kind: KindVerbs, version: str, admission: Admission, clock: Clock
) -> list[BaseRoute]:
    return [
        Route(
            path, ResourceEndpoint(path, about, verbs=verbs, admission=admission, clock=clock)
        )
        for path, subresource, verbs in paths_of(kind, version)
        for about in (About(kind=kind.kind, version=version, subresource=subresource),)
    ]


async def _unknown_path(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise UnknownPathError


class PlainEndpoint:
    """A path that anyone may read."""

    def __init__(self, path: str, answer: Answer) -> None:
        self._path = path
        self._verbs = {"GET": answer, "HEAD": answer}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        set_route(scope, self._path)
        refuse_websocket(scope)
        answer = _verb_of(self._verbs, scope["method"])
        response = await answer(Request(scope, receive))
        await response(scope, receive, send)


@dataclass(frozen=True, slots=True)
class About:
    """What a path template fixes of its targets."""

    kind: Kind
    version: str
    subresource: str


class ResourceEndpoint:
    """A path of a kind: each verb is given what the path names and the caller's credential."""

    def __init__(
        self, path: str, about: About, *, verbs: Verbs, admission: Admission, clock: Clock
    ) -> None:
        self._path = path
        self._about = about
        self._verbs = verbs
        self._admission = admission
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        set_route(scope, self._path)
        target = self._target(scope)
        set_target(scope, target)
        verb = _verb_of(self._verbs, scope["method"])
        token = credential_of(scope["headers"])
        request = Request(scope, receive)
        set_form(scope, self._form(target, request))
        host = str((scope.get("client") or ("",))[0])
        with self._admission.strangers.request(host, token) as introduction:
            set_introduction(scope, introduction)
            async with self._admission.room:
                response = await verb(target, request, token)
                if not isinstance(response, EventStream):
                    accept_caller(scope)
                    await response(scope, receive, send)
                    return
            await response(scope, receive, send)  # it has a place among the streams instead

    def _form(self, target: Target, request: Request) -> Form:
        query = query_from(request.scope["query_string"])
        asked = Asked.OBJECT
        if request.method == "GET" and not target.name:
            asked = Asked.WATCH if query.flag("watch") else Asked.LIST
        if asked is not Asked.WATCH:
            refuse_websocket(request.scope)
        elif request.scope["http_version"] == "1.0":
            raise BadRequestError("a watch needs HTTP/1.1: in HTTP/1.0 its end cannot be told")
        return form_for(
            asked,
            accepts=request.headers.getlist("accept"),
            encodings=request.headers.getlist("accept-encoding"),
            query=query,
            now=self._clock.now(),
        )

    def _target(self, scope: Scope) -> Target:
        named = scope["path_params"]
        return Target(
            kind=self._about.kind,
            version=self._about.version,
            namespace=named.get("namespace", ""),
            name=named.get("name", ""),
            subresource=self._about.subresource,
        )


def _verb_of(verbs: Mapping[str, T], method: str) -> T:
    verb = verbs.get(method)
    if verb is None:
        raise MethodNotAllowedError(allowed=tuple(verbs))
    return verb
