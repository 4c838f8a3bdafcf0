"""A connection to a database is what its DSN says, whatever else the environment holds."""

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType

import asyncpg
import pytest
from asyncpg import compat, connect_utils

from chassis.database_tls import attempts
from chassis.dsn import DatabaseTls, TlsMode
from tests.integration.starting.conftest import Programs

# What each variable is set to; a connection that took it would fail.
HOSTILE = {
    "PGHOST": "192.0.2.1",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGPASSWORD": "marker-pw",
    "PGPASSFILE": "/nowhere/pgpass",
    "PGDATABASE": "nowhere",
    "PGSERVICE": "elsewhere",
    "PGSERVICEFILE": "/nowhere/services",
    "PGSSLMODE": "verify-full",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLROOTCERT": "/nowhere/root.crt",
    "PGSSLCRL": "/nowhere/root.crl",
    "PGSSLCERT": "/nowhere/client.crt",
    "PGSSLKEY": "/nowhere/client.key",
    "PGSSLMINPROTOCOLVERSION": "SSLv3",
    "PGSSLMAXPROTOCOLVERSION": "SSLv3",
    "PGTARGETSESSIONATTRS": "standby",
    "PGKRBSRVNAME": "elsewhere",
    "PGGSSLIB": "none",
    "SSLKEYLOGFILE": "/nowhere/keys",
}
# Of libpq's variables these are none of the driver's today.
OF_LIBPQ_ALONE = {"PGOPTIONS": "-c default_transaction_read_only=on", "PGTZ": "Mars/Olympus"}
OF_THE_HOME = {"PG_SERVICEFILE": ".pg_service.conf", "PGPASSFILE": ".pgpass"}
OF_DOT_POSTGRESQL = {"root.crt", "root.crl", "postgresql.key", "postgresql.crt"}


def called_with_text(module: ModuleType, *functions: str) -> set[str]:
    """The first argument of every call of these functions in the module."""
    found = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in functions:
            assert isinstance(node.args[0], ast.Constant), ast.unparse(node)
            found.add(str(node.args[0].value))
    return found


def test_every_variable_and_file_that_the_driver_reads_is_known() -> None:
    source = inspect.getsource(connect_utils)
    reads = ("os.getenv", "os.environ.get")

    assert called_with_text(connect_utils, *reads) == set(HOSTILE)
    assert len(re.findall(r"os\.(?:environ|getenv)", source)) == sum(map(source.count, reads))
    assert called_with_text(connect_utils, "_dot_postgresql_path") == OF_DOT_POSTGRESQL
    assert {name: getattr(connect_utils, name) for name in OF_THE_HOME} == OF_THE_HOME
    assert called_with_text(compat, *reads, "os.path.expanduser") == set()


@pytest.fixture
def hostile_home(tmp_path: Path) -> Path:
    """A home directory with every file that the driver would read."""
    home = tmp_path / "home"
    (home / ".postgresql").mkdir(parents=True)
    for name in OF_DOT_POSTGRESQL:
        (home / ".postgresql" / name).write_text("not what it should be")
    (home / ".pgpass").write_text("*:*:*:*:marker-pw")
    (home / ".pgpass").chmod(0o600)
    (home / ".pg_service.conf").write_text("[elsewhere]\nhost=192.0.2.1\n")
    return home


@pytest.mark.parametrize("service", ["metadata_svc", "vault_svc"])
@pytest.mark.parametrize("tls", ["", "?sslmode=disable"])
async def test_nothing_of_the_environment_or_the_home_directory_counts(
    programs: Programs,
    monkeypatch: pytest.MonkeyPatch,
    hostile_home: Path,
    service: str,
    tls: str,
) -> None:
    for name, value in {**HOSTILE, **OF_LIBPQ_ALONE, "HOME": str(hostile_home)}.items():
        monkeypatch.setenv(name, value)
    setting = f"SPLITKEEP_{service.removesuffix('_svc').upper()}_DSN"
    dsn = programs.environments[service][setting].partition("?")[0] + tls

    ended = await programs.run(service, "migrate", DSN=dsn)

    assert ended.code == 0, ended.printed
    assert [line["event"] for line in ended.lines] == ["migrated"]


async def test_a_connection_of_the_driver_itself_would_be_broken_by_them(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = programs.environments["metadata_svc"]["SPLITKEEP_METADATA_DSN"].partition("?")[0]
    monkeypatch.setenv("PGSSLMODE", HOSTILE["PGSSLMODE"])

    with pytest.raises(asyncpg.ClientConfigurationError):
        await asyncpg.connect(dsn)


@pytest.mark.parametrize("mode", list(TlsMode))
def test_no_context_keeps_a_log_of_its_keys_or_takes_a_file_that_the_dsn_does_not_name(
    monkeypatch: pytest.MonkeyPatch, hostile_home: Path, mode: TlsMode
) -> None:
    for name, value in {**HOSTILE, "HOME": str(hostile_home)}.items():
        monkeypatch.setenv(name, value)

    made = [
        context
        for context in attempts(DatabaseTls(mode=mode, authorities="system"))
        if context is not None
    ]

    assert len(made) == (mode is not TlsMode.DISABLE)
    for context in made:
        assert context.keylog_filename is None
        assert context.minimum_version.name == "TLSv1_2"
