"""From a call's metadata to who makes it."""

from dataclasses import dataclass
from typing import Any, Protocol

from chassis.caller import Caller, Principal
from chassis.identity import Authenticator, credential
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


class Callers:
    """Establishes the caller of each call."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def decrypt_call(
        self, request: NamesRequest, context: Any, form: Form
    ) -> DecryptCall:
        """The call, its caller verified. Raises UnauthenticatedError, UnavailableError."""
        metadata = context.invocation_metadata() or ()
        caller: Caller = await self._authenticator.caller(metadata)
        return DecryptCall(
            caller=caller,
            claimed_identity=_claimed_identity(metadata),
            namespace=request.namespace,
            names=request.names,
            form=form,
        )

    def token(self, context: Any) -> Sensitive[str]:
        """The call's one token, unverified. Raises UnauthenticatedError."""
        return credential(context.invocation_metadata() or ())

    async def writer(self, context: Any) -> Writer:
        """Whose token the call has, verified. Raises UnauthenticatedError, UnavailableError."""
        metadata = context.invocation_metadata() or ()
        caller = await self._authenticator.caller(metadata)
        return Writer(caller.principal, credential(metadata))


def _claimed_identity(metadata: Any) -> str:
    """What the caller says of itself, for the log alone: bounded, printable."""
    for key, value in metadata:
        if key == CLAIMED_IDENTITY_KEY and isinstance(value, str):
            cut = value[:MAXIMUM_CLAIMED_IDENTITY]
            return "".join(c if c.isprintable() else "?" for c in cut)
    return ""
