"""What the layers tell one another about one request, kept in its ASGI scope."""

from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

from chassis.connection_slots import Slot
from gateway.edge.strangers import Introduction
from gateway.kinds import Target
from gateway.rendering.forms import PLAIN, Form

UNROUTED = "(none)"


def set_route(scope: MutableMapping[str, Any], template: str) -> None:
    """From here on the request counts as one of `template`."""
    scope.setdefault("state", {})["route"] = template


def route_of(scope: MutableMapping[str, Any]) -> str:
    """The path's template, for logs and metrics: it has no name in it and few values."""
    return str(scope.get("state", {}).get("route", UNROUTED))


def set_target(scope: MutableMapping[str, Any], target: Target) -> None:
    """From here on a failure is told as one about `target`."""
    scope.setdefault("state", {})["target"] = target


def name_target(scope: MutableMapping[str, Any], name: str) -> None:
    """From here on the target has the name that was found in the body."""
    target = target_of(scope)
    if target is not None:
        set_target(scope, replace(target, name=name))


def target_of(scope: MutableMapping[str, Any]) -> Target | None:
    """What the request is about; None where the path names no resource."""
    target = scope.get("state", {}).get("target")
    return target if isinstance(target, Target) else None


def set_watch(scope: MutableMapping[str, Any]) -> None:
    """From here on the request counts as one that lasts as long as its client likes."""
    scope.setdefault("state", {})["watch"] = True


def is_watch(scope: MutableMapping[str, Any]) -> bool:
    """Whether how long the request took says nothing about how fast it was answered."""
    return bool(scope.get("state", {}).get("watch", False))


def set_slot(state: MutableMapping[str, Any], slot: Slot) -> None:
    """The request whose `state` this is came over the connection that has the slot."""
    state["slot"] = slot


def set_introduction(scope: MutableMapping[str, Any], introduction: Introduction) -> None:
    """The request's caller may be a stranger."""
    scope.setdefault("state", {})["introduction"] = introduction


def accept_caller(scope: MutableMapping[str, Any]) -> None:
    """A service has accepted the request's credential: nothing of it is a stranger's now."""
    state = scope.get("state", {})
    for told in (state.pop("slot", None), state.pop("introduction", None)):
        if isinstance(told, Slot):
            told.accept_caller()
        elif isinstance(told, Introduction):
            told.accept()


def set_form(scope: MutableMapping[str, Any], form: Form) -> None:
    """From here on the request is answered in `form`."""
    scope.setdefault("state", {})["form"] = form


def form_of(scope: MutableMapping[str, Any]) -> Form:
    """How the request is answered; plainly, where nothing was agreed on."""
    form = scope.get("state", {}).get("form")
    return form if isinstance(form, Form) else PLAIN
