"""Prints secrets as a service that is on their lists may read them.

Values go to standard output and nowhere else: one name's value as it is, several as NAME=VALUE
lines, or all as JSON with --json. A value that would not stay on its line, or that a terminal
would not show as it is, is refused without --json, and nothing is printed. What has no value is
named on standard error, and the exit code is 1.

Against the local stack nothing but names is needed; elsewhere give --target, --ca and
--token-file.
"""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path

from splitkeep.local.settings import add_state_argument

TARGET = re.compile(r"[!-~]+:[!-~]+")


def add_arguments(parser: ArgumentParser, environ: Mapping[str, str]) -> None:
    """See Command."""
    parser.add_argument("names", nargs="+", type=parse_text, metavar="NAME")
    add_state_argument(parser, environ)
    parser.add_argument("--namespace", type=parse_text, help="default: the stack's")
    parser.add_argument(
        "--target",
        type=parse_target,
        metavar="HOST:PORT",
        help="the vault; default: the stack's",
    )
    parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM; default: the stack's")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="default: a token of k6-cloud"
    )
    parser.add_argument(
        "--server-name",
        type=parse_text,
        metavar="NAME",
        help="the name the certificate bears",
    )
    parser.add_argument("--proxy", metavar="HOST:PORT", help="an HTTP proxy; default: none")
    parser.add_argument(
        "--deadline", type=parse_deadline, metavar="SECONDS", help="default: 10"
    )
    parser.add_argument("--json", action="store_true", help="all outcomes as one JSON object")


def parse_deadline(text: str) -> float:
    """Seconds. Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not seconds > 0:  # nor is NaN
        raise ArgumentTypeError("a deadline is a number of seconds above 0")
    return seconds


def parse_target(text: str) -> str:
    """HOST:PORT. Raises ArgumentTypeError for what gRPC would look for in vain."""
    if "://" in text and not text.startswith("dns://"):
        raise ArgumentTypeError(f"{text!r} has a scheme: give HOST:PORT alone")
    if text.count(":") > 1 and "[" not in text and not text.startswith("dns:"):
        raise ArgumentTypeError(f"{text!r}: an IPv6 address is in brackets, as in [::1]:9402")
    if not TARGET.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no target: give HOST:PORT alone")
    return text


def parse_text(text: str) -> str:
    """What a message carries. Raises ArgumentTypeError for bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError(f"{text!r} is not UTF-8") from None
    return text
