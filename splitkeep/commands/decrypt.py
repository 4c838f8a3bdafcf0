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

# What gRPC's texts for a connection that fails contain, and what to tell instead. The vault's
# own texts contain none of them.
CONNECTION_FAULTS = {
    "Hostname Verification Check failed": (
        "its certificate does not bear the name that was called; is --server-name the name in "
        "the vault's certificate?"
    ),
    "CERTIFICATE_VERIFY_FAILED": (
        "its certificate was not signed by the given authority; is --ca the right one?"
    ),
    "DNS resolution failed": "its host is not found; is the host right?",
    "Connection refused": "nothing listens there; does the vault run, are host and port right?",
    "connections to all backends failing": (
        "no TLS connection comes about; is this the vault's port, and open to this machine?"
    ),
    "failed to connect to all addresses": (
        "no TLS connection comes about; is this the vault's port, and open to this machine?"
    ),
}


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
        outcomes = asyncio.run(_decrypt(find_vault(arguments), arguments))
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
    """Every name's outcome. Raises KnownError, OSError, ValueError."""
    deadline = DEADLINE_SECONDS if arguments.deadline is None else arguments.deadline
    async with DecryptClient.connect(
        vault.target,
        ca=vault.ca,
        token=vault.token,
        server_name=arguments.server_name,
        proxy=arguments.proxy,
    ) as client:
        try:
            return await client.decrypt(
                arguments.names, namespace=vault.namespace, deadline_seconds=deadline
            )
        except UnavailableError as error:
            raise UnavailableError(in_words(str(error), vault.target)) from None


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


def in_words(message: str, target: str) -> str:
    """What gRPC says of a connection to the target, in ours; the vault's own message stays."""
    for mark, cause in CONNECTION_FAULTS.items():
        if mark in message:
            return f"the vault at {target} cannot be reached: {cause}"
    return message


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
