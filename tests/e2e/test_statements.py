"""What one decrypt asks of the two databases, as Postgres itself counts it."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import httpx2
import pytest

from tests.e2e.stack import Stack, a_canary, a_secure_value, execute

SIZES = (1, 10, 100, 1000)
DATABASES = ("metadata", "vault")
CREATES_IN_FLIGHT = 8
LONG = "86400"  # seconds
# Whatever works at intervals does so as it starts, and not again.
NOTHING_UNASKED = {
    "SPLITKEEP_VAULT_SWEEP_INTERVAL_SECONDS": LONG,
    "SPLITKEEP_VAULT_FULL_SWEEP_INTERVAL_SECONDS": LONG,
    "SPLITKEEP_METADATA_TRIM_INTERVAL_SECONDS": LONG,
}
# The one worker remembers one data key, so that each namespace's is new to it in its turn.
FORGETFUL = {"SPLITKEEP_VAULT_WORKERS": "1", "SPLITKEEP_VAULT_DATA_KEY_CACHE_LIMIT": "1"}

PRELOAD = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'"
# Of the services' roles, resets of a session and whatever else is no query included.
COUNTED = """
SELECT query, calls FROM pg_stat_statements
WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = current_database())
"""

# What a look at the readiness of a database begins and ends with.
READINESS = {"SELECT $1", "SELECT count(*) FROM generate_series($1, $2)"}

Counts = dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose databases count statements, with as many values as each size asks for."""
    directory = tmp_path_factory.mktemp("statements") / "state"
    with Stack(directory, **NOTHING_UNASKED, **FORGETFUL) as stack:
        for database in DATABASES:
            _administer(stack, database, PRELOAD)
        stack.stop()
        stack.start()
        for database in DATABASES:
            _administer(stack, database, "CREATE EXTENSION pg_stat_statements")
        for size in SIZES:
            _create(stack, size)
        yield stack


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("data_key", ["seen first", "known"])
@pytest.mark.parametrize("size", SIZES)
def test_a_decrypt_is_one_statement_in_each_database(
    counting: Stack, size: int, data_key: str
) -> None:
    counts = _counted(counting, lambda: _decrypted(counting, size))

    assert [list(of.values()) for of in counts.values()] == [[1], [1]], counts


def _decrypted(stack: Stack, size: int) -> None:
    """Every value of the size's namespace is decrypted by one call."""
    token = stack.token(
        *("--namespace", "*", "--service-identity", "k6-cloud"),
        *("--permission", "secret.grafana.app/securevalues:decrypt"),
    )
    names = _names(size)
    answers = stack.decrypt_here(names, token=token, namespace=_namespace(size))
    assert {name for name in names if "value" in answers[name]} == set(names)


def _counted(stack: Stack, work: Callable[[], None]) -> Counts:
    """The statements that the services sent meanwhile, and how often each.

    Services look every few seconds whether they are ready. A count in which that fell is not
    used.
    """
    while True:
        for database in DATABASES:
            _administer(stack, database, "SELECT pg_stat_statements_reset()")
        work()
        counts = {
            database: {
                row["query"]: row["calls"] for row in _administer(stack, database, COUNTED)
            }
            for database in DATABASES
        }
        if not any(READINESS & set(queries) for queries in counts.values()):
            return counts


def _administer(stack: Stack, database: str, statement: str) -> list[dict[str, Any]]:
    """The rows of a statement of the superuser's."""
    passwords = json.loads((stack.directory / "passwords.json").read_text())
    way_in = urlsplit(stack.info["dsn"][database])
    place = f"postgres:{quote(passwords[database]['superuser'])}@127.0.0.1:{way_in.port}"
    rows = execute(urlunsplit(way_in._replace(netloc=place)), statement)
    return [dict(row) for row in rows]


def _create(stack: Stack, size: int) -> None:
    url = (
        f"{stack.info['gateway']}/apis/secret.grafana.app/v1beta1/namespaces/{_namespace(size)}"
    )
    token = stack.token("--namespace", "*", "--role", "Admin")

    def create(name: str) -> httpx2.Response:
        return http.post(f"{url}/securevalues", json=a_secure_value(name, a_canary()))

    with stack.http(token) as http, ThreadPoolExecutor(CREATES_IN_FLIGHT) as pool:
        assert {answer.status_code for answer in pool.map(create, _names(size))} == {201}


def _namespace(size: int) -> str:
    return f"of-{size}"


def _names(size: int) -> list[str]:
    return [f"name-{number}" for number in range(size)]
