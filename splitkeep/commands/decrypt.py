"""`splitkeep decrypt`: see splitkeep.arguments.decrypt."""

import asyncio
import json
import sys
from argparse import Namespace
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis.errors import KnownError, UnavailableError
from splitkeep.cli import fail
from splitkeep.client import (
    DEADLINE_SECONDS,
    DecryptClient,
    Failure,
    Outcome,
)
from splitkeep.client_tokens import TokenFile, TokenSource
from splitkeep.local.state import no_stack, read_description
from splitkeep.terminal import is_plain, one_line, tell

PEM_MARK = b"-----BEGIN CERTIFICATE-----"

# In gRPC's texts for a handshake that fails.
WRONG_CA = "CERTIFICATE_VERIFY_FAILED"
WRONG_NAME = "Hostname Verification Check failed"


class UnprintableError(Exception):
    """Values cannot be printed in the form that was asked for; the text names them."""


class MissingError(Exception):
    """The command does not know whom to ask, or as whom; the text says what to give."""


@dataclass(frozen=True, slots=True)
class Vault:
    """Whom to ask, and as whom."""

    target: str
    ca: Path
    token: TokenSource
    namespace: str


def run(arguments: Namespace, _environ: Mapping[str, str]) -> int:
    """See Command."""
    try:
        vault = find_vault(arguments)
        outcomes = asyncio.run(_decrypt(vault, arguments))
    except UnavailableError as error:
        return fail(f"{error}{_hint(str(error))}")
    except (MissingError, KnownError, OSError, ValueError) as error:
        return fail(error)
    try:
        printed = _as_asked(outcomes, arguments)
    except UnprintableError as error:
        return fail(error)
    sys.stdout.buffer.write(printed)
    sys.stdout.buffer.flush()
    failures = [outcome for outcome in outcomes.values() if isinstance(outcome, Failure)]
    for failure in failures:
        tell(f"{one_line(failure.name)}: {failure.reason.value}")
    return 1 if failures else 0


def _as_asked(outcomes: Mapping[str, Outcome], arguments: Namespace) -> bytes:
    if arguments.json:
        shown = {name: as_json(outcome) for name, outcome in outcomes.items()}
        return (json.dumps(shown) + "\n").encode()
    values = {n: o.value.reveal() for n, o in outcomes.items() if not isinstance(o, Failure)}
    if len(arguments.names) > 1:
        return as_lines(values)
    return b"".join(as_it_is(n, v, terminal=sys.stdout.isatty()) for n, v in values.items())


async def _decrypt(vault: Vault, arguments: Namespace) -> dict[str, Outcome]:
    deadline = DEADLINE_SECONDS if arguments.deadline is None else arguments.deadline
    async with DecryptClient.connect(
        vault.target,
        ca=vault.ca,
        token=vault.token,
        server_name=arguments.server_name,
        proxy=arguments.proxy,
    ) as client:
        return await client.decrypt(
            arguments.names, namespace=vault.namespace, deadline_seconds=deadline
        )


def find_vault(arguments: Namespace) -> Vault:
    """The vault on the command line, completed from the stack that runs here.

    The stack's token goes to the stack's vault only. Raises MissingError.
    """
    stack = read_description(arguments.state)
    given = (arguments.target, arguments.ca, arguments.token_file)
    if stack is None and not all(given):
        raise MissingError(
            f"{no_stack(arguments.state)}, or give --target, --ca and --token-file"
        )
    if arguments.target and not all(given):
        raise MissingError("--target goes with --ca and --token-file")
    known = stack or {}
    token = known.get("tokens", {}).get("decrypter", "")
    if arguments.ca:
        check_ca(arguments.ca)
    return Vault(
        target=arguments.target or known["vault"],
        ca=arguments.ca or Path(known["ca"]),
        token=TokenFile(arguments.token_file) if arguments.token_file else lambda: token,
        namespace=arguments.namespace or known.get("namespace", "default"),
    )


def check_ca(file: Path) -> None:
    """Raises MissingError unless the file may be what `--ca` is to name."""
    wanted = "it is to name the PEM file of the authority that signed the vault's certificate"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise MissingError(f"--ca {file} cannot be read ({error.strerror}): {wanted}") from None
    if PEM_MARK not in content:
        raise MissingError(f"--ca {file} holds no certificate: {wanted}")


def _hint(message: str) -> str:
    """What to look at, if the message is of TLS."""
    if WRONG_NAME in message:
        return "; is --server-name the name in the vault's certificate?"
    return "; is --ca the right one?" if WRONG_CA in message else ""


def as_json(outcome: Outcome) -> dict[str, object]:
    """An outcome for programs; a value that is no text is in base64."""
    if isinstance(outcome, Failure):
        return {"error": outcome.reason.value}
    value = outcome.value.reveal()
    try:
        return {"value": value.decode(), "version": outcome.version}
    except UnicodeDecodeError:
        return {"valueBase64": b64encode(value).decode(), "version": outcome.version}


def as_it_is(name: str, value: bytes, *, terminal: bool) -> bytes:
    """The value's bytes; for a terminal, with a line's end. Raises UnprintableError."""
    if not terminal:
        return value
    if not is_plain(value, lines=True):
        raise UnprintableError(
            f"the value of {name} has characters that a terminal does not show as they are: "
            "send it to a file or a program, or use --json"
        )
    return value + b"\n"


def as_lines(values: Mapping[str, bytes]) -> bytes:
    """One line NAME=VALUE each. Raises UnprintableError if one would not stay on its line."""
    refused = [name for name, value in values.items() if not is_plain(value, lines=False)]
    if refused:
        raise UnprintableError(
            f"{', '.join(refused)}: a value with a line break, another control character or "
            "bytes that are not UTF-8 does not fit into a line NAME=VALUE; use --json"
        )
    return b"".join(name.encode() + b"=" + value + b"\n" for name, value in values.items())
