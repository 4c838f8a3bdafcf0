"""What one part of the production stack can reach of another: its own database, no other."""

import json

import pytest

from tests.e2e.canary import hits
from tests.e2e.compose.engine.docker import CommandError
from tests.e2e.compose.production import DATABASES, PROCESSES, Production
from tests.e2e.stack import a_canary

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

# What becomes of a connection to Postgres's port at each address.
PROBE = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def probe(address):
    try:
        socket.create_connection((address, 5432), timeout=2).close()
    except socket.gaierror:
        return "no such name"
    except OSError:
        return "no way there"
    return "reached"

addresses = sys.argv[1:]
with ThreadPoolExecutor(len(addresses)) as threads:
    print(json.dumps(dict(zip(addresses, threads.map(probe, addresses)))))
"""
OWN = {"gateway": None, "metadata": "metadata-db", "vault": "vault-db"}


def address(production: Production, service: str) -> str:
    (network,) = production.inspect(service)["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_reaches_its_own_database_and_no_other(
    production: Production, process: str
) -> None:
    addresses = {database: address(production, database) for database in DATABASES}
    targets = [*addresses, *addresses.values()]

    found = json.loads(production.execute(process, "python", "-c", PROBE, *targets))

    expected = {}
    for database, ip in addresses.items():
        own = database == OWN[process]
        expected[database] = "reached" if own else "no such name"
        expected[ip] = "reached" if own else "no way there"
    assert found == expected


@pytest.mark.parametrize(
    ("source", "target"),
    [("metadata-db", "vault-db"), ("vault-db", "metadata-db")],
    ids=str,
)
def test_a_database_cannot_reach_the_other(
    production: Production, source: str, target: str
) -> None:
    own = production.execute(source, "pg_isready", "--host", address(production, source))

    with pytest.raises(CommandError, match="no response"):
        production.execute(
            source, "pg_isready", "--timeout=2", "--host", address(production, target)
        )
    assert "accepting connections" in own


def test_the_databases_publish_no_port(production: Production) -> None:
    published = {
        service: [
            (binding["HostIp"], container_port)
            for container_port, bindings in production.inspect(service)["NetworkSettings"][
                "Ports"
            ].items()
            for binding in bindings or []
        ]
        for service in (*PROCESSES, *DATABASES)
    }

    assert published == {
        "gateway": [("127.0.0.1", "8080/tcp")],
        "metadata": [],
        "vault": [("127.0.0.1", "9402/tcp")],
        "metadata-db": [],
        "vault-db": [],
    }


def test_the_dumps_hold_no_value_and_the_vaults_holds_no_name(production: Production) -> None:
    name, value = "separated-by-two-databases", a_canary()
    production.create(name, value)
    production.decrypt(name)

    metadata = dump(production, "metadata")
    vault = dump(production, "vault")

    assert {
        "name in metadata": hits(name.encode(), metadata),
        "value in metadata": hits(value.encode(), metadata),
        "name in vault": hits(name.encode(), vault),
        "value in vault": hits(value.encode(), vault),
    } == {
        "name in metadata": ["raw"],
        "value in metadata": [],
        "name in vault": [],
        "value in vault": [],
    }
    assert b"sealed" in vault.lower()


def dump(production: Production, service: str) -> bytes:
    command = ("pg_dump", "--username", "postgres", service)
    return production.execute(f"{service}-db", *command).encode()
