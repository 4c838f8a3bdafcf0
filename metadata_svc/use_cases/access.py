"""Permission, decided before anything is looked up."""

from datetime import datetime

from chassis.caller import Caller
from chassis.errors import PermissionDeniedError
from chassis.telemetry import record
from metadata_svc.domain.access import Action, Scope, managing_scope
from metadata_svc.domain.resource import Kind, Resource, Stamp
from metadata_svc.use_cases.kinds import READ


def authorise(caller: Caller, action: Action, namespace: str, name: str | None) -> None:
    """Return if the caller may do the action on the name; None is a name yet to be chosen.

    Raises PermissionDeniedError, equal for every name; the reason goes to the log.
    """
    scope = managing_scope(caller, action, namespace)
    if not scope.covers(name):
        raise _denied(caller, action, scope)


def readable(caller: Caller, action: Action, namespace: str) -> Scope:
    """The names of the namespace that the caller may see.

    Raises PermissionDeniedError if it may see none, whatever there is.
    """
    scope = managing_scope(caller, action, namespace)
    if scope.empty:
        raise _denied(caller, action, scope)
    return scope


def may_read(caller: Caller, resource: Resource) -> bool:
    """Whether the caller may learn what stands in it; another right is none to read."""
    scope = managing_scope(caller, READ[resource.kind], resource.namespace)
    return scope.covers(resource.name)


def stamp_of(caller: Caller, kind: Kind, namespace: str, name: str, at: datetime) -> Stamp:
    """Who writes the named object, when, and whether blindly."""
    sighted = managing_scope(caller, READ[kind], namespace).covers(name)
    return Stamp(caller.principal, at, blind=not sighted)


def _denied(caller: Caller, action: Action, scope: Scope) -> PermissionDeniedError:
    record(
        "permission denied",
        issuer=caller.issuer,
        subject=caller.subject,
        action=action.value,
        reason=scope.reason or "the name is outside the granted scopes",
    )
    return PermissionDeniedError(f"{action.value} is not granted here")
