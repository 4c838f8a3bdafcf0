"""Prints a kubeconfig for the REST API of the local stack, or of another gateway.

  splitkeep kubeconfig --output .splitkeep/kubeconfig
  kubectl --kubeconfig .splitkeep/kubeconfig get securevalues

It holds a token, an administrator's unless --role or --grant say otherwise, and is complete in
itself: the certificate to trust is in it. Without --output it goes to standard output. For a
gateway that is not the local stack's give --server, --ca and --token-file.
"""

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path

from splitkeep.arguments.token import add_right_arguments
from splitkeep.local.settings import add_state_argument


def add_arguments(parser: ArgumentParser, environ: Mapping[str, str]) -> None:
    """See Command."""
    add_state_argument(parser, environ)
    add_right_arguments(parser)
    parser.add_argument(
        "--subject", default="user:admin", help="who it is (default: %(default)s)"
    )
    parser.add_argument(
        "--context", default="splitkeep", metavar="NAME", help="default: %(default)s"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write it there, for you alone to read"
    )
    parser.add_argument("--server", metavar="URL", help="the gateway; default: the stack's")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM; default: the stack's")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="default: a new token of the stack"
    )
