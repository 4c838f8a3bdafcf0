"""Runs everything on this machine until Ctrl-C.

That is two Postgres servers, the metadata and vault services and the gateway, with
certificates, keys and tokens made for them. The data stay in the state directory.
"""

from argparse import ArgumentParser
from collections.abc import Mapping

from splitkeep.local.settings import (
    add_port_arguments,
    add_state_argument,
    add_workers_argument,
)


def add_arguments(parser: ArgumentParser, environ: Mapping[str, str]) -> None:
    """See Command."""
    add_state_argument(parser, environ)
    add_port_arguments(parser)
    add_workers_argument(parser)
    parser.add_argument(
        "--reset",
        action="store_true",
        help="first erase all data of this stack, its key file (kek.json) included",
    )
