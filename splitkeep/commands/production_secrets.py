"""`splitkeep production-secrets`: see splitkeep.arguments.production_secrets."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping

from chassis.clock import SystemClock
from splitkeep.cli import fail
from splitkeep.issued_files import NotAFileError, RecordError
from splitkeep.production_files import (
    CONTAINER_UID,
    AuthorityError,
    MissingFilesError,
    Names,
    OpenDirectoryError,
    ProductionSecrets,
)
from splitkeep.terminal import tell

REFUSALS = (
    OpenDirectoryError,
    NotAFileError,
    MissingFilesError,
    AuthorityError,
    RecordError,
)


def run(arguments: Namespace, _environ: Mapping[str, str]) -> int:
    """See Command."""
    as_root = os.geteuid() == 0
    secrets = ProductionSecrets(
        directory=arguments.directory.resolve(),
        uid=CONTAINER_UID if as_root else os.geteuid(),
        gid=CONTAINER_UID if as_root else os.getegid(),
        now=SystemClock().now(),
        names=Names(add=frozenset(arguments.name), drop=frozenset(arguments.drop_name)),
    )
    try:
        left = secrets.make()
    except (*REFUSALS, OSError, ValueError) as error:
        return fail(error)
    for sentence in left:
        tell(f"left as it is: {sentence}")
    tell(_summary(secrets), to=sys.stdout)
    return 0


def _summary(secrets: ProductionSecrets) -> str:
    directory = secrets.directory
    names = ", ".join(("localhost", *secrets.further_names))
    return f"""Everything that docker-compose.yml mounts is in {directory}.
The certificates made here for the published ports bear {names}.

Back up {directory}/vault/kek.json now, apart from the databases: without it nobody can open the
secrets again, and whoever has it and the vault's database can open them all.
Move {directory}/operator to a safe place: it makes tokens and certificates, and no container
needs it. {directory}/operator/admin-token manages all namespaces for a day.

Start it:  export COMPOSE_ENV_FILES={directory}/compose.env
           docker compose up --build --detach --wait"""
