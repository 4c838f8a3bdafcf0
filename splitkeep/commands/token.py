"""Prints an access token of the local stack's issuer, or of the issuer with the given key.

  splitkeep token --role Admin
  splitkeep token --grant 'secret.securevalues:read=secret.securevalues:uid:db-password'
  splitkeep token --service-identity k6-cloud
                  --permission secret.grafana.app/securevalues:decrypt

Who manages secrets does not decrypt them: a role or a grant and a service identity in one token
are refused. A file named by --output is the user's alone, and never there in part.
"""

import errno
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from chassis.clock import SystemClock
from chassis.sensitive import Sensitive
from splitkeep.cli import fail, refuse
from splitkeep.files import write_file
from splitkeep.issuer import (
    ANY_NAME_PERMISSION,
    ROLES,
    Grant,
    TokenRequest,
    TokenRequestError,
    parse_issuer,
)
from splitkeep.local.settings import add_state_argument
from splitkeep.local.stack import NAMESPACE
from splitkeep.local.state import State

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
NO_PERMISSION = (
    "splitkeep: this token decrypts nothing: it has no permission. Most likely it is to have "
    f"--permission {ANY_NAME_PERMISSION}"
)


class IssuerKeyError(Exception):
    """There is no key to sign a token with; the text says which and what to do."""


def add_arguments(parser: ArgumentParser, environ: Mapping[str, str]) -> None:
    """See Command."""
    add_state_argument(parser, environ)
    parser.add_argument(
        "--issuer-key", type=Path, metavar="FILE", help="PEM; default: the stack's"
    )
    add_right_arguments(parser)
    parser.add_argument("--service-identity", default="", metavar="NAME", help="who decrypts")
    parser.add_argument("--permission", action="append", default=[], help="repeatable")
    parser.add_argument("--subject", help="default: user:admin, or access-policy:NAME")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the token there; default: print it"
    )


def add_right_arguments(parser: ArgumentParser) -> None:
    """The parser knows what somebody who manages secrets may do, where and for how long."""
    parser.add_argument(
        "--role",
        action="append",
        default=[],
        choices=ROLES,
        metavar="ROLE",
        help=f"{', '.join(ROLES)}; repeatable",
    )
    parser.add_argument(
        "--grant",
        action="append",
        default=[],
        type=parse_grant,
        metavar="ACTION=SCOPE",
        help="repeatable",
    )
    parser.add_argument(
        "--namespace", default=NAMESPACE, help="* is all (default: %(default)s)"
    )
    parser.add_argument(
        "--ttl",
        type=parse_duration,
        default=timedelta(hours=12),
        metavar="TIME",
        help="a number with s, m, h or d (default: 12h)",
    )


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


def parse_grant(text: str) -> Grant:
    """ACTION=SCOPE. Raises ArgumentTypeError."""
    action, separator, scope = text.partition("=")
    if not (action and separator and scope):
        raise ArgumentTypeError("a grant is written ACTION=SCOPE")
    return Grant(action=action, scope=scope)


def parse_duration(text: str) -> timedelta:
    """Seconds, or a number with a unit. Raises ArgumentTypeError."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ArgumentTypeError("a time is a number with s, m, h or d")
    return timedelta(seconds=int(match[1]) * SECONDS[match[2] or "s"])
