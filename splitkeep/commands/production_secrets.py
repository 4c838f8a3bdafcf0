"""Makes everything secret that docker-compose.yml mounts, in one directory.

What is there is kept: running it again renews certificates that near their end and the first
token, and nothing else; the key file (vault/kek.json) and the passwords are never made twice.

Run as root, the files that a container reads belong to the user it runs as. Run as another user
they stay that user's own, and the containers run as that user: compose.env says which, for
`COMPOSE_ENV_FILES=DIR/compose.env docker compose up`.

operator/ holds the private keys of the authorities and of the token issuer: no container mounts
it, so move it to a safe place. Mint tokens with
`splitkeep token --issuer-key DIR/operator/issuer.key`.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from chassis.clock import SystemClock
from splitkeep.cli import fail
from splitkeep.local.settings import parse_directory
from splitkeep.production_files import (
    CONTAINER_UID,
    MissingFilesError,
    OpenDirectoryError,
    ProductionSecrets,
)


def add_arguments(parser: ArgumentParser, _environ: Mapping[str, str]) -> None:
    """See Command."""
    parser.add_argument(
        "directory", type=parse_directory, metavar="DIR", help="for example deploy/secrets"
    )


def run(arguments: Namespace, _environ: Mapping[str, str]) -> int:
    """See Command."""
    as_root = os.geteuid() == 0
    secrets = ProductionSecrets(
        directory=arguments.directory.resolve(),
        uid=CONTAINER_UID if as_root else os.geteuid(),
        gid=CONTAINER_UID if as_root else os.getegid(),
        now=SystemClock().now(),
    )
    try:
        secrets.make()
    except (OpenDirectoryError, MissingFilesError, OSError, ValueError) as error:
        return fail(error)
    print(_summary(secrets))
    return 0


def _summary(secrets: ProductionSecrets) -> str:
    directory = secrets.directory
    return f"""Everything that docker-compose.yml mounts is in {directory}.

Back up {directory}/vault/kek.json now, apart from the databases: without it nobody can open the
secrets again, and whoever has it and the vault's database can open them all.
Move {directory}/operator to a safe place: it makes tokens and certificates, and no container
needs it. {directory}/operator/admin-token manages all namespaces for a day.

Start it:  export COMPOSE_ENV_FILES={directory}/compose.env
           docker compose up --build --detach --wait"""
