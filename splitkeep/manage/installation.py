"""Which installation a command speaks to, and as whom."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from chassis.errors import UnauthenticatedError
from chassis.sensitive import Sensitive
from splitkeep.client_tokens import TokenFile
from splitkeep.commands.token import IssuerKeyError, mint_token
from splitkeep.issuer import TokenRequest
from splitkeep.local.settings import NAMESPACE, default_state
from splitkeep.local.state import State, no_stack, read_description
from splitkeep.manage.contexts import Context, contexts_file, read_contexts
from splitkeep.manage.failures import CommandError, ExitCode

CONTEXT_VARIABLE = "SPLITKEEP_CONTEXT"
TOKEN_COMMAND_SECONDS = 60.0
LONGEST_TOKEN = 65_536  # bytes
DEV_TOKEN_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A gateway, a namespace of it, and the token to send."""

    server: str
    ca: Path | None
    namespace: str
    token: Sensitive[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the command line says of the installation; empty is no choice."""

    context: str = ""
    namespace: str = ""
    state: Path | None = None


def find_installation(choice: Choice, environ: Mapping[str, str]) -> Installation:
    """That of the context which is chosen or current; without one, the stack that runs here.

    `--state` means the stack, whatever context is current. Raises CommandError.
    """
    contexts = read_contexts(contexts_file(environ))
    wanted = choice.context or environ.get(CONTEXT_VARIABLE, "") or contexts.current
    if wanted and choice.state is None:
        return _of_context(contexts.named(wanted), choice, environ)
    return _of_stack(choice.state or default_state(environ), choice)


def _of_context(context: Context, choice: Choice, environ: Mapping[str, str]) -> Installation:
    return Installation(
        server=context.server,
        ca=Path(context.ca) if context.ca else None,
        namespace=choice.namespace or context.namespace,
        token=_token(context, environ),
    )


def _of_stack(directory: Path, choice: Choice) -> Installation:
    stack = read_description(directory)
    if stack is None:
        raise CommandError(
            f"{no_stack(directory)}, or name an installation with `splitkeep config "
            "set-context`",
            ExitCode.UNAVAILABLE,
        )
    administrator = TokenRequest(
        subject="user:admin", namespace="*", ttl=DEV_TOKEN_LIFE, roles=("Admin",)
    )
    try:
        token = mint_token(administrator, State(directory).issuer_key)
    except IssuerKeyError as error:
        raise CommandError(str(error)) from error
    return Installation(
        server=stack["gateway"],
        ca=Path(stack["ca"]),
        namespace=choice.namespace or NAMESPACE,
        token=token,
    )


def _token(context: Context, environ: Mapping[str, str]) -> Sensitive[str]:
    if context.token:
        return Sensitive(context.token)
    if context.token_command:
        return _printed_token(context.token_command, environ)
    if context.token_file:
        try:
            return TokenFile(Path(context.token_file))()
        except UnauthenticatedError as error:
            raise CommandError(str(error), ExitCode.DENIED) from error
    raise CommandError("the context names no token: set one with --token-file", ExitCode.USAGE)


def _printed_token(command: tuple[str, ...], environ: Mapping[str, str]) -> Sensitive[str]:
    """What the command prints. What it writes to standard error is for the person."""
    try:
        printed = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            env=dict(environ),
            check=True,
            timeout=TOKEN_COMMAND_SECONDS,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        reason = _reason(error)
        raise CommandError(f"the token command {command[0]} {reason}") from None
    token = printed.decode("ascii", errors="replace").strip()
    if not token or len(printed) > LONGEST_TOKEN or not token.isprintable():
        raise CommandError(f"the token command {command[0]} did not print one token")
    return Sensitive(token)


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return f"ended with exit code {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"did not end within {TOKEN_COMMAND_SECONDS:.0f} seconds"
    number = error.errno if isinstance(error, OSError) else None
    return f"did not start: {os.strerror(number) if number else 'unknown error'}"
