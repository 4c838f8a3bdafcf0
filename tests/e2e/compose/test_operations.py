"""What an operator does to a running production stack, by the commands of docs/compose.md."""

import sys
from uuid import uuid4

import pytest

from tests.e2e.compose.production import PROCESSES, SERVICES, Production, Section, documented
from tests.e2e.stack import a_canary

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


def test_a_backup_of_both_databases_goes_back_and_opens(production: Production) -> None:
    name, value, later = f"kept-{uuid4().hex[:8]}", a_canary(), f"later-{uuid4().hex[:8]}"
    production.create(name, value)
    back_up, restore = documented(Section.BACK_UP)

    production.shell(back_up)
    production.create(later, a_canary())
    production.shell(restore)

    assert production.decrypt(name, later) == {
        name: {"value": value},
        later: {"error_message": "not found"},
    }


def test_making_the_secrets_again_replaces_no_key_and_no_password(
    production: Production,
) -> None:
    kept = ("vault/kek.json", "vault/dsn", "metadata/dsn", "operator/issuer.key", "ca.pem")
    before = {name: (production.secrets / name).read_bytes() for name in kept}

    production.follow(Section.CERTIFICATES)

    assert {name: (production.secrets / name).read_bytes() for name in kept} == before


def test_an_upgrade_replaces_the_processes_and_keeps_what_was_written(
    production: Production,
) -> None:
    name, value = f"kept-{uuid4().hex[:8]}", a_canary()
    production.create(name, value)
    before = {service: production.container(service) for service in SERVICES}
    (production.clone / "gateway" / "__init__.py").write_text("# the next release\n")

    production.follow(Section.UPGRADE)

    after = {service: production.container(service) for service in SERVICES}
    assert {s for s in SERVICES if after[s] != before[s]} == set(PROCESSES)
    assert production.decrypt(name) == {name: {"value": value}}
    # Taken before the new container began, so each line is the replaced one's.
    for service in PROCESSES:
        assert '"event":"ready"' in (production.clone / f"{service}.log").read_text(), service


@pytest.mark.parametrize("service", ["gateway", "vault"])
def test_a_renewed_certificate_is_shown_without_a_restart(
    production: Production, service: str
) -> None:
    before, started = shown(production, service), production.inspect(service)["State"]
    # A certificate that is gone is renewed as one that nears its end is.
    (production.secrets / service / "tls.pem").unlink()

    production.follow(Section.CERTIFICATES)

    assert shown(production, service) != before
    assert production.inspect(service)["State"]["StartedAt"] == started["StartedAt"]
    assert production.create(f"renewed-{uuid4().hex[:8]}", a_canary()).status == 201


def shown(production: Production, service: str) -> str:
    """The certificate that the service's published port shows to a new connection."""
    ports = {"gateway": production.https_port, "vault": production.decrypt_port}
    ask = "import ssl, sys; print(ssl.get_server_certificate(('127.0.0.1', int(sys.argv[1]))))"
    return production.engine.reach(sys.executable, "-c", ask, str(ports[service]))
