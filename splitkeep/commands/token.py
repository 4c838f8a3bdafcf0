"""`splitkeep token`: see splitkeep.arguments.token."""

import errno
import re
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from chassis.clock import SystemClock
from chassis.sensitive import Sensitive
from splitkeep.cli import fail, refuse
from splitkeep.files import write_file
from splitkeep.issuer import (
    ANY_NAME_PERMISSION,
    TokenRequest,
    TokenRequestError,
    parse_issuer,
)
from splitkeep.local.state import State

# A JWS in compact form (RFC 7515 §7.1), as this command writes it.
TOKEN_OR_NOTHING = re.compile(rb"\s*|[\w-]+\.[\w-]+\.[\w-]+\s*")
NO_PERMISSION = (
    "splitkeep: this token decrypts nothing: it has no permission. Most likely it is to have "
    f"--permission {ANY_NAME_PERMISSION}"
)


class IssuerKeyError(Exception):
    """There is no key to sign a token with; the text says which and what to do."""


def run(arguments: Namespace, _environ: Mapping[str, str]) -> int:
    """See Command."""
    identity: str = arguments.service_identity
    if not (arguments.role or arguments.grant or identity):
        return refuse("say what the token is for: --role, --grant or --service-identity")
    key_file: Path = arguments.issuer_key or State(arguments.state).issuer_key
    try:
        token = mint_token(token_request(arguments), key_file)
        _give(token, arguments.output)
    except (IssuerKeyError, TokenRequestError, OSError) as error:
        return fail(error)
    if identity and not arguments.permission:
        print(NO_PERMISSION, file=sys.stderr)
    return 0


def _give(token: Sensitive[str], file: Path | None) -> None:
    """The token is in the file, or printed if none is named. Raises OSError."""
    if file is None:
        print(token.reveal())
    elif file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "is not a regular file", str(file))
    elif file.exists() and not TOKEN_OR_NOTHING.fullmatch(file.read_bytes()):
        raise OSError(errno.EEXIST, "holds something else: name another file", str(file))
    else:
        write_file(file.resolve(), f"{token.reveal()}\n".encode())


def mint_token(request: TokenRequest, key_file: Path) -> Sensitive[str]:
    """A token signed with the key in this file. Raises IssuerKeyError, TokenRequestError."""
    try:
        issuer = parse_issuer(key_file.read_bytes())
    except FileNotFoundError:
        raise IssuerKeyError(
            f"there is no issuer key {key_file}: start `splitkeep dev` once, or name one"
        ) from None
    except (OSError, ValueError) as error:
        raise IssuerKeyError(f"the issuer key {key_file} cannot be used: {error}") from error
    return issuer.mint(request, SystemClock().now())


def token_request(arguments: Namespace) -> TokenRequest:
    """What the command line asks for."""
    identity: str = arguments.service_identity
    subject = f"access-policy:{identity}" if identity else "user:admin"
    return TokenRequest(
        subject=arguments.subject or subject,
        namespace=arguments.namespace,
        ttl=arguments.ttl,
        roles=tuple(arguments.role),
        grants=tuple(arguments.grant),
        permissions=tuple(arguments.permission),
        service_identity=identity,
    )
