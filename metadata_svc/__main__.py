"""`python -m metadata_svc`: serves until SIGTERM.

`… migrate` upgrades the schema, `… values` lists the values that the vault should hold.

With several workers this process is their supervisor. It has to be light, hence the imports
where they are used: only who serves or migrates loads what that needs.
"""
# ruff: noqa: PLC0415  # see above

import asyncio
import os
import sys
from functools import partial

from chassis.config import load_config
from chassis.grpc_core_output import silence_core
from chassis.places import OwnPlace, Place, WorkerPlace
from chassis.process import leave, run, run_command, usage
from chassis.telemetry import configure_logging, record
from chassis.worker_process import WORKER
from chassis.workers import Workers, supervise, worker_count
from metadata_svc.config import (
    DATABASE_VARIABLES,
    MIGRATIONS,
    PORT_SETTINGS,
    PREFIX,
    Config,
    DatabaseConfig,
    grpc_ports,
)


async def serve(stopping: asyncio.Event) -> None:
    """Serves until `stopping` is set, by itself or through workers."""
    config = load_config(Config, PREFIX, os.environ)
    configure_logging("metadata", config.log_level, sys.stderr)
    count = worker_count(config.workers)
    if count == 1:
        place = OwnPlace(
            config.host,
            config.operations_port,
            config.ready_file,
            PORT_SETTINGS["operations"],
        )
        await _serve_at(place, config, stopping)
        return
    workers = Workers(
        count=count,
        host=config.host,
        ports=grpc_ports(config),
        operations_port=config.operations_port,
        settings=PORT_SETTINGS,
        ready_file=config.ready_file,
        drain_seconds=config.drain_seconds,
    )
    await supervise(workers, stopping)


async def work(place: WorkerPlace, stopping: asyncio.Event) -> None:
    """Serves as one of the workers until `stopping` is set or the supervisor is gone."""
    config = load_config(Config, PREFIX, os.environ)
    configure_logging("metadata", config.log_level, sys.stderr, worker_number=place.number)
    await place.follow(stopping, config.drain_seconds)
    await _serve_at(place, config, stopping)


async def _serve_at(place: Place, config: Config, stopping: asyncio.Event) -> None:
    from metadata_svc import serving

    await serving.serve(config, place, stopping)


def _database_config() -> DatabaseConfig:
    needed = {name: text for name, text in os.environ.items() if name in DATABASE_VARIABLES}
    config = load_config(DatabaseConfig, PREFIX, needed)
    configure_logging("metadata", config.log_level, sys.stderr)
    return config


async def upgrade(_stopping: asyncio.Event) -> None:
    """The schema is this code's."""
    from chassis.migrations import migrate

    config = _database_config()
    applied = await migrate(config.dsn, MIGRATIONS, setting=f"{PREFIX}DSN")
    record("migrated", applied=applied)


async def list_values(ids: str | None, _stopping: asyncio.Event) -> None:
    """The values that the vault should hold are on standard output."""
    from metadata_svc import offline

    await offline.list_values(_database_config(), ids)


if __name__ == "__main__":
    silence_core(os.environ, unless="SPLITKEEP_GRPC_VERBOSITY")
    match sys.argv[1:]:
        case []:
            leave(run(serve, service="metadata"))
        case [word, *given] if word == WORKER:
            place = WorkerPlace(*given)
            leave(run(partial(work, place), service="metadata", refuse=place.refuse))
        case ["migrate"]:
            leave(run(upgrade, service="metadata"))
        case ["values"]:
            leave(run_command(partial(list_values, None), service="metadata"))
        case ["values", "--ids", file]:
            leave(run_command(partial(list_values, file), service="metadata"))
        case _:
            usage("python -m metadata_svc [migrate | values [--ids FILE]]")
