"""From a call's metadata to who makes it."""

from dataclasses import dataclass
from typing import Any, Protocol

from chassis.caller import Principal
from chassis.identity import credential
from chassis.sensitive import Sensitive
from vault_svc.use_cases.decrypt import DecryptCall
from vault_svc.use_cases.opening import Form

CLAIMED_IDENTITY_KEY = "x-grafana-service-identity-name"
MAXIMUM_CLAIMED_IDENTITY = 253


class NamesRequest(Protocol):
    """A request for some names of a namespace, of any package."""

    namespace: str

    @property
    def names(self) -> Any:
        """The names asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Writer:
    """Who asks for a write, and the token that says so."""

    principal: Principal
    token: Sensitive[str]


def decrypt_call(request: NamesRequest, context: Any, form: Form) -> DecryptCall:
    """The call and its caller, whose token was verified. Raises UnauthenticatedError."""
    return DecryptCall(
        caller=context.caller,
        claimed_identity=_claimed_identity(context.invocation_metadata()),
        namespace=request.namespace,
        names=request.names,
        form=form,
    )


def writer(context: Any) -> Writer:
    """Whose token the call has, which was verified. Raises UnauthenticatedError."""
    return Writer(context.caller.principal, credential(context.invocation_metadata()))


def _claimed_identity(metadata: Any) -> str:
    """What the caller says of itself, for the log alone: bounded, printable."""
    for key, value in metadata:
        if key == CLAIMED_IDENTITY_KEY and isinstance(value, str):
            cut = value[:MAXIMUM_CLAIMED_IDENTITY]
            return "".join(c if c.isprintable() else "?" for c in cut)
    return ""
