"""Makes everything secret that docker-compose.yml mounts, in one directory.

Running it again renews what it made itself: certificates that near their end or lack a name,
and the first token. What you put in its place, or changed, is left as it is and named; the key
file (vault/kek.json), the passwords and the private keys of the authorities and of the issuer
are never made twice. issued.json is the record of what it made.

The certificates of the two published ports bear localhost; --name adds another name or address
that clients call them by. Names given once stay, until --drop-name.

Run as root, the files that a container reads belong to the user it runs as. Run as another user
they stay that user's own, and the containers run as that user: compose.env says which, for
`COMPOSE_ENV_FILES=DIR/compose.env docker compose up`.

operator/ holds the private keys of the authorities and of the token issuer: no container mounts
it, so move it to a safe place. Mint tokens with
`splitkeep token --issuer-key DIR/operator/issuer.key`.
"""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping

from splitkeep.host_names import SERVICE_NAMES, HostNameError, parse_host_name
from splitkeep.local.settings import parse_directory


def add_arguments(parser: ArgumentParser, _environ: Mapping[str, str]) -> None:
    """See Command."""
    parser.add_argument(
        "directory", type=parse_directory, metavar="DIR", help="for example deploy/secrets"
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        type=parse_name,
        metavar="HOST",
        help="a host name, *.DOMAIN or IP address that clients call; repeatable",
    )
    parser.add_argument(
        "--drop-name",
        action="append",
        default=[],
        type=parse_name,
        metavar="HOST",
        help="one given before that is no longer used; repeatable",
    )


def parse_name(text: str) -> str:
    """See parse_host_name. Raises ArgumentTypeError."""
    try:
        name = parse_host_name(text)
    except HostNameError as error:
        raise ArgumentTypeError(f"{text!r} {error}") from None
    if name in SERVICE_NAMES:
        raise ArgumentTypeError(f"{name} is the name of a service")
    return name
