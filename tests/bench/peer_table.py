"""The peer as a table: our rows, then its rows, and what differs between the two."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.rounds import Rounds, cpu_ms, p50_ms, p99_ms, speed
from tests.bench.tables import NOT_OK, Bound, Cell, Promise, Table

NAME = "openbao"
BATCH = 100
BATCHES_IN_FLIGHT = 8
SINGLES_IN_FLIGHT = (8, 64)
BATCH_PROMISED = 5  # x the secrets/s of the peer's single reads: it has no batch of them
HEADINGS = (
    *("what", "of", "in flight", "requests/s", "secrets/s", "x Splitkeep's secrets/s"),
    *("p50 ms", "p99 ms", "CPU ms", "answer bytes", "resident MiB", NOT_OK),
)
NOTES = (
    (
        "Checked for each call: with us a signed token, its permission and the value's own "
        "allow-list, by a second service; with OpenBao a token that it looks up and the "
        "policy of that token. Its allow-list is written by path in policies, ours on each "
        "value by its owner. What is changed counts for the next call: with us on every "
        "replica, with it on its one active server."
    ),
    (
        "KV v2 has no batch of stored values: a hundred of them are a hundred requests. "
        "Transit opens what its caller brings: the ciphertexts lie with the caller, there is "
        "no list of who may have which, and nothing is read from storage."
    ),
    (
        "Keys: ours are three layers (key-encryption key, data key, value key), names are "
        "bound into the seal; OpenBao seals its whole storage with one keyring, and transit "
        "has one key here."
    ),
    (
        "Storage: ours is two Postgres servers; OpenBao's own (raft) is a file in its process, "
        "with a cache of what was read. On Postgres it has a database on our vault's server."
    ),
    (
        "Audit: what is allowed is logged by us for every call; by OpenBao in the row that "
        "says so, to a file, hashed."
    ),
    (
        "We are two Python processes that speak gRPC, OpenBao is one in Go that speaks JSON "
        "over HTTP/2. TLS, one machine, the same rounds, the same number of values of the same "
        "64 bytes and the same connections for both. CPU is that of the services, without "
        "Postgres. Failures are counted by HTTP status for OpenBao, by gRPC status and by name "
        "for us."
    ),
)

MISSING = "OpenBao is not installed: pip install -r requirements/peer.lock"

Key = tuple[str, int, int]  # of whom, names a request, in flight


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one server: how long an answer is, by names a request, and what it holds in memory."""

    answer_bytes: Mapping[int, int]
    resident_mib: float


def table(us: str, rounds: Rounds[Key], facts: Mapping[str, Facts], about: str | None) -> Table:
    """One row for each case; `us` names the rows that the others are compared with.

    `about` says which peer it is, None that there was none.
    """
    keys = sorted(rounds.samples[0], key=lambda key: (key[1], key[2], key[0] != us, key[0]))
    return Table(
        name=NAME,
        title=f"Beside {about or 'a peer'}",
        headings=HEADINGS,
        rows=[_row(us, key, rounds, facts[key[0]]) for key in keys],
        notes=NOTES if about else (MISSING,),
        promises=(_promise(us, rounds),) if about else (),
    )


def _row(us: str, key: Key, rounds: Rounds[Key], facts: Facts) -> list[Cell]:
    of, names, in_flight = key
    requests = rounds.median(key, speed)
    return [
        *(_what(us, of, names), of, in_flight, requests, requests * names),
        rounds.ratio(key, (us, names, in_flight)),
        *(rounds.median(key, figure) for figure in (p50_ms, p99_ms, cpu_ms)),
        *(facts.answer_bytes[names], facts.resident_mib, rounds.not_ok(key)),
    ]


def _what(us: str, of: str, names: int) -> str:
    if of == us:
        return "decrypt by name" if names == 1 else f"decrypt {names} by name"
    return "KV v2 read" if names == 1 else f"transit decrypt of {names}"


def _promise(us: str, rounds: Rounds[Key]) -> Promise:
    """Against the fastest of the peer's reads at the same number in flight."""
    mine = (us, BATCH, BATCHES_IN_FLIGHT)
    reads = [key for key in rounds.samples[0] if key[0] != us and key[1:] == (1, mine[2])]
    return Promise(
        f"secrets/s of our batch of {BATCH}, x the peer's single reads",
        Bound.AT_LEAST,
        BATCH_PROMISED,
        min(rounds.ratio(mine, read) for read in reads) * BATCH,
    )
