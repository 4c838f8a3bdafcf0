"""A peer beside us: OpenBao on the same machine, in the same rounds, with as many values.

What is compared is what a service does to get its secrets: read one by name, and get a hundred
at once. What differs between the two is said below the table.
"""

import json
import random
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from chassis.grpc_client import open_channel
from splitkeep.local.databases import ensure_passwords, new_password
from splitkeep.local.postgres import SUPERUSER
from tests.bench.bench import Bench
from tests.bench.counting import Sample
from tests.bench.http_load import HttpLoad, send
from tests.bench.measuring import MILLISECONDS
from tests.bench.memory import children, resident_mib
from tests.bench.openbao_server import (
    KEY,
    TOKEN_HEADER,
    OpenBao,
    OpenBaoError,
    find_program,
    openbao,
    value_path,
    version,
)
from tests.bench.peer_table import (
    BATCH,
    BATCHES_IN_FLIGHT,
    SINGLES_IN_FLIGHT,
    Facts,
    Key,
    table,
)
from tests.bench.rounds import Case, in_turn
from tests.bench.running import cpu_seconds
from tests.bench.seed import value_of
from tests.bench.tables import Table

US = "Splitkeep"
DATABASE = "splitkeep_bench_openbao"
DRAWN = 20  # batches to draw from
FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Peer:
    """One OpenBao and what it is asked."""

    server: OpenBao
    paths: tuple[str, ...]
    batches: tuple[bytes, ...]
    connections: int

    async def read(self, in_flight: int, seconds: float) -> dict[Key, Sample]:
        """One value a request."""
        load = HttpLoad(
            url=f"{self.server.url}/v1",
            paths=self.paths,
            header=TOKEN_HEADER,
            token=self.server.reader,
            in_flight=in_flight,
            seconds=seconds,
            connections=min(in_flight, self.connections),
        )
        return {(self.server.label, 1, in_flight): await self._send(load)}

    async def decrypt(self, seconds: float) -> dict[Key, Sample]:
        """A hundred values a request, whose ciphertexts the caller holds."""
        load = HttpLoad(
            url=f"{self.server.url}/v1",
            paths=(f"transit/decrypt/{KEY}",),
            header=TOKEN_HEADER,
            token=self.server.decrypter,
            in_flight=BATCHES_IN_FLIGHT,
            seconds=seconds,
            connections=min(BATCHES_IN_FLIGHT, self.connections),
            body=random.choice(self.batches),
        )
        return {(self.server.label, BATCH, BATCHES_IN_FLIGHT): await self._send(load)}

    async def _send(self, load: HttpLoad) -> Sample:
        before = cpu_seconds(self.server.pid)
        sample = await send(load)
        used = cpu_seconds(self.server.pid) - before
        return replace(sample, cpu_ms=used * MILLISECONDS / sample.measurement.requests)

    async def facts(self) -> Facts:
        """Raises OpenBaoError if either request is not answered."""
        async with self.server.client(self.server.reader) as http:
            one = await http.get(self.paths[0])
        async with self.server.client(self.server.decrypter) as http:
            many = await http.post(f"transit/decrypt/{KEY}", content=self.batches[0])
        if not (one.is_success and many.is_success):
            raise OpenBaoError(f"answered {one.status_code} and {many.status_code}")
        sizes = {1: len(one.content), BATCH: len(many.content)}
        return Facts(sizes, resident_mib(self.server.pid))


async def measure(bench: Bench) -> Table:
    """Ours alone if it is not installed. Raises OpenBaoError, DidNotStartError, DriverError."""
    program = find_program()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="splitkeep-peer-"))
        host = Host(bench, program or "", Path(folder), stack)
        peers = [peer async for peer in _peers(host)] if program else []
        rounds = await in_turn(bench.effort, _cases(bench, peers))
        facts = {peer.server.label: await peer.facts() for peer in peers}
    about = await version(program) if program else None
    return table(US, rounds, facts | {US: await _our_facts(bench)}, about)


def _cases(bench: Bench, peers: Sequence[Peer]) -> list[Case[Key]]:
    cases: list[Case[Key]] = []
    for in_flight in SINGLES_IN_FLIGHT:
        cases.append(partial(_our_reads, bench, in_flight))
        cases += [partial(peer.read, in_flight) for peer in peers]
    return [*cases, partial(_our_batch, bench), *(peer.decrypt for peer in peers)]


async def _our_facts(bench: Bench) -> Facts:
    pids = [bench.stack.pids[name] for name in ("vault", "metadata")]
    every = [one for pid in pids for one in (pid, *children(pid))]
    sizes = {names: await _answer_bytes(bench, names) for names in (1, BATCH)}
    return Facts(sizes, sum(map(resident_mib, every)))


async def _answer_bytes(bench: Bench, names: int) -> int:
    load = bench.decrypting(names=names, in_flight=1, seconds=0)
    async with open_channel(load.target, ca=bench.stack.ca) as channel:
        method: Any = channel.unary_unary(f"/{load.method}")
        metadata = (("x-access-token", load.token.reveal()),)
        request = load.messages[0].SerializeToString()
        return len(await method(request, timeout=10, metadata=metadata))


async def _our_reads(bench: Bench, in_flight: int, seconds: float) -> dict[Key, Sample]:
    load = bench.decrypting(in_flight=in_flight, seconds=seconds)
    return {(US, 1, in_flight): await bench.decrypt(load)}


async def _our_batch(bench: Bench, seconds: float) -> dict[Key, Sample]:
    load = bench.decrypting(names=BATCH, in_flight=BATCHES_IN_FLIGHT, seconds=seconds)
    return {(US, BATCH, BATCHES_IN_FLIGHT): await bench.decrypt(load, names=BATCH)}


@dataclass(frozen=True, slots=True)
class Host:
    """What every peer is started with; `stack` ends it."""

    bench: Bench
    program: str
    folder: Path
    stack: AsyncExitStack

    async def peer(self, label: str, storage: Mapping[str, Any], *, audited: bool) -> Peer:
        """A server that holds the same values as ours, and what it is asked."""
        starting = openbao(
            self.program,
            label,
            storage,
            self.bench.stack.state.key_pair("vault"),
            ca=self.bench.stack.ca,
            folder=self.folder / label.replace(", ", "-"),
            audited=audited,
        )
        server = await self.stack.enter_async_context(starting)
        values = {name: value_of(name) for name in self.bench.names}
        await server.put_values(values)
        await _check(server, values)
        return Peer(
            server,
            paths=tuple(value_path(name) for name in values),
            batches=tuple([await _batch(server, values) for _ in range(DRAWN)]),
            connections=self.bench.connections,
        )


async def _peers(host: Host) -> AsyncIterator[Peer]:
    """On its own storage with audit off and on, and on our Postgres."""
    for label, audited in (("OpenBao, raft", False), ("OpenBao, raft, audited", True)):
        data = host.folder / f"data-{audited}"
        data.mkdir()
        raft = {"raft": {"path": str(data), "node_id": "bench"}}
        yield await host.peer(label, raft, audited=audited)
    postgres = await host.stack.enter_async_context(_database(host.bench))
    yield await host.peer("OpenBao, Postgres", postgres, audited=False)


async def _check(server: OpenBao, values: Mapping[str, str]) -> None:
    """It answers a value as it was given, and nothing beside its policy's path."""
    name = random.choice(list(values))
    async with server.client(server.reader) as http:
        found = (await http.get(value_path(name))).json()["data"]["data"]["value"]
        beside = await http.get("kv/data/beside")
    if found != values[name] or beside.status_code != FORBIDDEN:
        raise OpenBaoError(f"{server.label} does not answer as it should")


async def _batch(server: OpenBao, values: Mapping[str, str]) -> bytes:
    drawn = random.sample(list(values.values()), BATCH)
    sealed = await server.sealed_by_transit(drawn)
    return json.dumps({"batch_input": [{"ciphertext": one} for one in sealed]}).encode()


@asynccontextmanager
async def _database(bench: Bench) -> AsyncIterator[dict[str, Any]]:
    """A database of its own on the Postgres that is the vault's; gone afterwards."""
    password = ensure_passwords(bench.stack.state.passwords, "vault").superuser.reveal()
    place = urlsplit(bench.stack.vault_dsn.reveal())
    connection = await asyncpg.connect(
        host=place.hostname,
        port=place.port,
        user=SUPERUSER,
        password=password,
        database="postgres",
    )
    own = new_password()
    try:
        await _forget(connection)  # of a run that was broken off
        # Utility statements take no parameters; the words are this module's own.
        await connection.execute(f"CREATE ROLE {DATABASE} LOGIN PASSWORD '{own}'")
        await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")
        at = f"{place.hostname}:{place.port}/{DATABASE}?sslmode=disable"
        yield {"postgresql": {"connection_url": f"postgres://{DATABASE}:{own}@{at}"}}
    finally:
        await _forget(connection)
        await connection.close()


async def _forget(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    await connection.execute(f"DROP ROLE IF EXISTS {DATABASE}")
