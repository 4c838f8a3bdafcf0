"""Prints an access token of the local stack's issuer, or of the issuer with the given key.

  splitkeep token --role Admin
  splitkeep token --grant 'secret.securevalues:read=secret.securevalues:uid:db-password'
  splitkeep token --service-identity k6-cloud
                  --permission secret.grafana.app/securevalues:decrypt

Who manages secrets does not decrypt them: a role or a grant and a service identity in one token
are refused. A file named by --output is the user's alone, and never there in part; one that
holds something else than a token stays.
"""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from splitkeep.local.settings import NAMESPACE, add_state_argument
from splitkeep.token_request import ROLES, Grant

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")


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
