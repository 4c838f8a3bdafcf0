"""REST through the gateway, beside an empty handler in the same HTTPS server."""

import json
from functools import partial

from chassis.sensitive import Sensitive
from tests.bench.bench import Bench
from tests.bench.counting import Sample
from tests.bench.http_load import HttpLoad, send
from tests.bench.rounds import Rounds, in_turn, p50_ms, p99_ms, speed
from tests.bench.seed import KIND, value_of
from tests.bench.tables import NOT_OK, Cell, Table
from tests.bench.under_test import DECRYPTER, NAMESPACE

NAME = "rest"
IN_FLIGHT = 8
PAGES = (50, 500)
PATH = f"apis/secret.grafana.app/v1beta1/namespaces/{NAMESPACE}/{KIND}"
CONTROL, GET, CREATE = "control", "get", "create"
LISTS = {f"list, page of {size}": size for size in PAGES}
NOTES = (
    (
        f"HTTP/1.1 over TLS on {IN_FLIGHT} connections. The control is an empty handler in the "
        "gateway's HTTP server builder; the gateway then calls metadata, or for a create the "
        "vault."
    ),
    "A create makes a new secure value with a generated name, durable in both databases.",
)


async def measure(bench: Bench) -> Table:
    lists = {
        key: partial(_send, bench, key, [f"{PATH}?limit={size}"]) for key, size in LISTS.items()
    }
    gets = [f"{PATH}/{name}" for name in bench.names]
    cases = {
        CONTROL: partial(_control, bench),
        GET: partial(_send, bench, GET, gets),
        **lists,
        CREATE: partial(_send, bench, CREATE, [PATH], body=_draft()),
    }
    rounds = await in_turn(bench.effort, list(cases.values()))
    return Table(
        name=NAME,
        title="REST",
        headings=("request", "requests/s", "p50 ms", "p99 ms", "x control", NOT_OK),
        rows=[_row(rounds, key) for key in cases],
        notes=NOTES,
    )


async def _control(bench: Bench, seconds: float) -> dict[str, Sample]:
    return {CONTROL: await send(_load(bench, bench.control.url, [PATH], seconds))}


async def _send(
    bench: Bench, key: str, paths: list[str], seconds: float, *, body: bytes | None = None
) -> dict[str, Sample]:
    return {key: await send(_load(bench, bench.stack.gateway, paths, seconds, body))}


def _load(
    bench: Bench, url: str, paths: list[str], seconds: float, body: bytes | None = None
) -> HttpLoad:
    return HttpLoad(
        url=url,
        paths=paths,
        header="authorization",
        token=Sensitive(f"Bearer {bench.stack.writer.reveal()}"),
        in_flight=IN_FLIGHT,
        connections=IN_FLIGHT,
        seconds=seconds,
        body=body,
    )


def _draft() -> bytes:
    spec = {
        "description": "made under load",
        "value": value_of("made"),
        "decrypters": [DECRYPTER],
    }
    return json.dumps({"metadata": {"generateName": "load-made-"}, "spec": spec}).encode()


def _row(rounds: Rounds[str], key: str) -> list[Cell]:
    medians = (rounds.median(key, figure) for figure in (speed, p50_ms, p99_ms))
    return [key, *medians, rounds.ratio(key, CONTROL), rounds.not_ok(key)]
