"""A program with workers, for tests. Arguments: FOLDER COUNT PORT.

Files in the folder tell its workers what to do:

- `refuse`: they refuse to start. `die`: they end at their start.
- `unwell-NUMBER`: the check `mood` of this worker fails.
- `known-PID` tells the mark that a worker knew at its start. A call of `rise` raises it there,
  one of `mark` is answered with it.
- A call of `hold` is held until there is `release`; that it is held is told by `held-…`.
"""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from chassis.config import StartRefusedError
from chassis.grpc_server import GrpcServer, Port, Tls
from chassis.log_level import LogLevel
from chassis.metrics import Metrics
from chassis.operations import ProcessVitals
from chassis.places import WorkerPlace
from chassis.process import run
from chassis.readiness import Readiness
from chassis.telemetry import configure_logging
from chassis.worker_process import WORKER
from chassis.workers import Workers, supervise
from tests.integration.chassis.echo import NAME, EchoServicer
from tests.integration.chassis.harness import echo_service

DRAIN_SECONDS = 30.0
MARK = "height"


async def lead(folder: Path, count: int, port: int, stopping: asyncio.Event) -> None:
    configure_logging("crew", LogLevel.INFO, sys.stderr)
    workers = Workers(
        settings={"echo": "X_PORT", "operations": "X_OPERATIONS_PORT"},
        count=count,
        host="127.0.0.1",
        ports={"echo": port},
        operations_port=0,
        ready_file=folder / "ready.json",
        drain_seconds=DRAIN_SECONDS,
    )
    await supervise(workers, stopping)


def tell_known(folder: Path, place: WorkerPlace) -> None:
    (folder / f"known-{os.getpid()}").write_text(str(place.marks.highest(MARK)))


async def work(folder: Path, place: WorkerPlace, stopping: asyncio.Event) -> None:  # noqa: C901
    configure_logging("crew", LogLevel.INFO, sys.stderr, worker_number=place.number)
    await place.follow(stopping, DRAIN_SECONDS)
    tell_known(folder, place)
    if (folder / "refuse").exists():
        raise StartRefusedError(("X_A is required", "X_B is required"))
    if (folder / "die").exists():
        os._exit(7)

    async def mood() -> None:
        if (folder / f"unwell-{place.number}").exists():
            raise RuntimeError

    async def answer(text: str, _context: Any) -> str:
        if text == "hold":
            (folder / f"held-{place.number}-{id(asyncio.current_task())}").touch()
            while not (folder / "release").exists():  # noqa: ASYNC110  # another process makes it
                await asyncio.sleep(0.02)
        if text == "rise":
            place.marks.note({MARK: 7})
        if text == "mark":
            return str(place.marks.highest(MARK))
        return f"{place.number} {os.getpid()}"

    metrics = Metrics()
    service = echo_service(EchoServicer(answer))
    tls = Tls(folder / "server.pem", folder / "server.key")
    address = f"127.0.0.1:{place.port('echo', 0)}"
    # A call of the service needs no token, so many of them look like a flood.
    port = Port(address, tls, (service,), shared_port=place.shared, flood_block_seconds=0)
    server = GrpcServer(port, frozenset({NAME}), metrics)
    readiness = Readiness({"mood": mood})
    await place.open({"echo": await server.start()}, ProcessVitals(metrics, readiness))
    await stopping.wait()
    readiness.drain()
    await server.stop(DRAIN_SECONDS)
    await place.close()


if __name__ == "__main__":
    home, *words = sys.argv[1:]
    match words:
        case [count, port]:
            sys.exit(run(partial(lead, Path(home), int(count), int(port))))
        case [_, _, word, *given] if word == WORKER:
            place = WorkerPlace(*given)
            sys.exit(run(partial(work, Path(home), place), refuse=place.refuse))
