"""What a program that cannot start prints: first one sentence that says what to do."""

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from chassis.sensitive import Sensitive
from tests.integration.chassis.databases import address, at_port, with_password
from tests.integration.starting.conftest import Ended, Programs

REFUSED, HINDERED = 2, 3
SERVICES = ("metadata_svc", "vault_svc")
PROGRAMS = (*SERVICES, "gateway")
MARKER = "marker-pw"


def prefix(program: str) -> str:
    return f"SPLITKEEP_{program.removesuffix('_svc').upper()}_"


def says(ended: Ended, code: int, *words: str) -> None:
    """Each of the words is in the first 200 characters, and no stack frame is anywhere."""
    assert ended.code == code, ended.printed
    for word in words:
        assert word in ended.beginning, ended.printed
    assert ".py:" not in ended.printed
    assert "Traceback" not in ended.printed
    assert MARKER not in ended.printed
    assert len(ended.lines) == 1


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of the loopback address on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=("serve", "migrate", "workers"))
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


Start = Callable[..., "Starting"]


class Starting:
    """A service started in one of the ways in which it needs its database."""

    def __init__(self, programs: Programs, service: str, way: str) -> None:
        self.programs, self.service, self._way = programs, service, way

    @property
    def dsn(self) -> Sensitive[str]:
        return Sensitive(self.programs.environments[self.service][f"{prefix(self.service)}DSN"])

    async def with_dsn(self, dsn: Sensitive[str]) -> Ended:
        words = ("migrate",) if self._way == "migrate" else ()
        workers = "2" if self._way == "workers" else "1"
        ended = await self.programs.run(self.service, *words, DSN=dsn.reveal(), WORKERS=workers)
        # The supervisor says besides that it has started a worker, one only.
        started = [line for line in ended.lines if line["event"] == "worker started"]
        assert len(started) == (self._way == "workers")
        rest = [line for line in ended.printed.splitlines() if '"worker started"' not in line]
        return Ended(ended.code, "".join(f"{line}\n" for line in rest))


@pytest.fixture
def starting(programs: Programs, service: str, way: str) -> Starting:
    return Starting(programs, service, way)


async def test_a_database_that_is_down_is_named_with_its_address(
    starting: Starting,
) -> None:
    ended = await starting.with_dsn(at_port(starting.dsn, 1))

    setting = f"{prefix(starting.service)}DSN"
    says(ended, HINDERED, "127.0.0.1:1", "nothing listens there", setting)


async def test_a_wrong_password_is_told_and_not_shown(starting: Starting) -> None:
    ended = await starting.with_dsn(with_password(starting.dsn, MARKER))

    host, port = address(starting.dsn)
    says(ended, REFUSED, f"{host}:{port}", "refuses the user or the password")


async def test_a_database_that_does_not_exist_is_told(starting: Starting) -> None:
    parts = urlsplit(starting.dsn.reveal())
    ended = await starting.with_dsn(Sensitive(urlunsplit(parts._replace(path="/nowhere"))))

    says(ended, REFUSED, "no database of that name", f"{prefix(starting.service)}DSN")


async def test_a_host_name_that_does_not_resolve_is_told(starting: Starting) -> None:
    dsn = Sensitive(f"postgresql://u:{MARKER}@database.invalid/x")

    ended = await starting.with_dsn(dsn)

    says(ended, HINDERED, "database.invalid:5432", "host name cannot be resolved")


async def test_a_database_without_tls_is_told_when_the_dsn_asks_for_it(
    starting: Starting,
) -> None:
    parts = urlsplit(starting.dsn.reveal())
    dsn = Sensitive(urlunsplit(parts._replace(query="sslmode=require")))

    ended = await starting.with_dsn(dsn)

    says(ended, REFUSED, "it speaks no TLS and sslmode asks for it")


@pytest.mark.parametrize(
    ("dsn", "rule"),
    [
        (f"postgres:{MARKER}", "names no user"),
        (MARKER, "must begin with postgresql://"),
        (f"postgresql://u:{MARKER}#x@h/d", "write %23"),
        (f"postgresql://u:{MARKER}@h:x/d", "port that is not a number"),
        (f"postgresql://u:{MARKER}@h", "names no database"),
        (f"postgresql://u:{MARKER}@h/d?sslmode=on", "sslmode that is none of"),
        (f"postgresql://u:{MARKER}@h/d?sslmode=verify-full", "needs sslrootcert"),
        (f"postgresql://u:{MARKER}@h/d?service=x", "service, which is not supported"),
        (f"postgresql://u:{MARKER}@[::1/d", "IPv6 host stands in brackets"),
    ],
)
async def test_a_malformed_dsn_is_told_by_its_rule(
    programs: Programs, dsn: str, rule: str
) -> None:
    ended = await programs.run("vault_svc", "migrate", DSN=dsn)

    says(ended, REFUSED, "SPLITKEEP_VAULT_DSN", rule)


@pytest.mark.parametrize(
    ("mode", "parameter", "words"),
    [
        (0o644, "sslcert={certificate}&sslkey={file}", "chmod 0600"),
        (0o644, "sslcert={file}", "chmod 0600"),  # holds its key, too
        (0o666, "sslrootcert={file}", "chmod o-w"),
        (0o666, "sslcrl={file}&sslrootcert={certificate}", "chmod o-w"),
        (None, "sslrootcert={file}", "there is no such file"),
        (None, "sslcert={certificate}&sslkey={file}", "there is no such file"),
    ],
)
async def test_a_file_that_a_dsn_names_is_checked_as_any_other(
    programs: Programs, service: str, mode: int | None, parameter: str, words: str
) -> None:
    environment = programs.environments[service]
    file = programs.folder / "f"
    if mode is not None:
        file.write_text(MARKER)
        file.chmod(mode)
    named = parameter.format(
        file=file, certificate=environment[f"{prefix(service)}TLS_CERTIFICATE"]
    )
    dsn = environment[f"{prefix(service)}DSN"].partition("?")[0]

    ended = await programs.run(service, DSN=f"{dsn}?sslmode=require&{named}")

    says(ended, REFUSED, f"{prefix(service)}DSN names {file}, which ")
    assert words in ended.printed


@pytest.mark.parametrize(
    ("program", "changes", "words"),
    [
        ("gateway", {"HOST": "a" * 64}, "the host name cannot be resolved"),
        ("metadata_svc", {"HOST": "a..b"}, "the host name cannot be resolved"),
        ("vault_svc", {"HOST": "a..b", "WORKERS": "2"}, "the host name cannot be resolved"),
        ("vault_svc", {"METADATA_TARGET": "https://metadata:1"}, "must be HOST:PORT"),
        ("gateway", {"VAULT_TARGET": "vault"}, "must be HOST:PORT"),
        ("gateway", {"METADATA_TARGET": "meta data:1"}, "must be HOST:PORT"),
    ],
)
async def test_a_host_or_target_that_is_none_is_told(
    programs: Programs, program: str, changes: dict[str, str], words: str
) -> None:
    ended = await programs.run(program, **changes)

    says(ended, REFUSED, words)


async def test_a_dsn_file_that_is_missing_is_told(programs: Programs, service: str) -> None:
    ended = await programs.run(service, DSN=None, DSN_FILE="/nowhere/dsn")

    says(ended, REFUSED, f"{prefix(service)}DSN_FILE", "there is no such file")


async def test_a_schema_that_was_never_migrated_is_told(
    programs: Programs, service: str, empty_dsn: Sensitive[str]
) -> None:
    ended = await programs.run(service, DSN=empty_dsn.reveal())

    says(ended, REFUSED, "never migrated", f"python -m {service} migrate")


async def test_a_schema_of_newer_code_is_told(starting_alone: Starting) -> None:
    connection = await asyncpg.connect(starting_alone.dsn.reveal())
    await connection.execute(
        "INSERT INTO schema_migrations SELECT max(version) + n, 'x', 'x'"
        " FROM schema_migrations, generate_series(1, 2) AS n GROUP BY n"
    )
    await connection.close()

    ended = await starting_alone.with_dsn(starting_alone.dsn)

    says(ended, REFUSED, "the schema is at version", "start newer code")


@pytest.fixture
def starting_alone(programs: Programs, service: str) -> Starting:
    return Starting(programs, service, "serve")


@pytest.mark.parametrize(
    ("program", "setting"),
    [
        ("metadata_svc", "PORT"),
        ("metadata_svc", "PEER_PORT"),
        ("metadata_svc", "OPERATIONS_PORT"),
        ("vault_svc", "PORT"),
        ("vault_svc", "OPERATIONS_PORT"),
        ("gateway", "PORT"),
        ("gateway", "OPERATIONS_PORT"),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_taken_port_is_named_with_its_setting(
    programs: Programs, taken: int, program: str, setting: str, workers: str
) -> None:
    count = {} if program == "gateway" else {"WORKERS": workers}
    ended = await programs.run(program, **{setting: str(taken)}, **count)

    says(ended, HINDERED, f"127.0.0.1:{taken}", "another process has the port", setting)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_address_of_another_machine_is_told(programs: Programs, program: str) -> None:
    ended = await programs.run(program, HOST="192.0.2.1", PORT="1")

    says(ended, REFUSED, "192.0.2.1:", "this machine does not have the address")


@pytest.mark.parametrize("program", PROGRAMS)
async def test_files_of_tls_that_are_not_usable_are_told(
    programs: Programs, program: str
) -> None:
    other = programs.folder / ("metadata" if program == "vault_svc" else "vault")
    key = str(other / "server.key")
    nonsense = programs.folder / "nonsense.pem"
    nonsense.write_text(MARKER)
    nonsense.chmod(0o600)

    missing = await programs.run(program, TLS_CERTIFICATE="/nowhere/cert.pem")
    says(missing, REFUSED, "/nowhere/cert.pem: there is no such file")
    mismatched = await programs.run(program, TLS_PRIVATE_KEY=key)
    says(mismatched, REFUSED, f"{key}: is not the key of the certificate in")
    unreadable = await programs.run(program, TLS_PRIVATE_KEY=str(nonsense))
    says(unreadable, REFUSED, f"{nonsense}: is not an unencrypted private key")


@pytest.mark.parametrize(
    ("program", "setting"),
    [("metadata_svc", "PEER_CA"), ("vault_svc", "METADATA_CA"), ("gateway", "CA")],
)
async def test_an_authority_that_is_not_usable_is_told(
    programs: Programs, program: str, setting: str
) -> None:
    nonsense = programs.folder / "nonsense.pem"
    nonsense.write_text(MARKER)

    says(
        await programs.run(program, **{setting: str(nonsense)}),
        REFUSED,
        f"{nonsense}: holds no certificate in PEM form",
    )
    says(
        await programs.run(program, **{setting: "/nowhere/ca.pem"}),
        REFUSED,
        "/nowhere/ca.pem: there is no such file",
    )


async def test_issuers_that_are_not_usable_are_told(programs: Programs, service: str) -> None:
    nonsense = programs.folder / "nonsense.json"
    nonsense.write_text("{")

    says(
        await programs.run(service, ISSUERS=str(nonsense)),
        REFUSED,
        f"{nonsense}: is not one unambiguous JSON document",
    )
    says(
        await programs.run(service, ISSUERS="/nowhere/issuers.json"),
        REFUSED,
        "/nowhere/issuers.json: there is no such file",
    )


async def test_a_kek_file_that_is_not_usable_is_told(programs: Programs) -> None:
    short = programs.folder / "short.json"
    short.touch(mode=0o600)
    short.write_text('{"active": "a", "keks": {"a": "c2hvcnQ="}}')

    says(await programs.run("vault_svc", KEK_FILE=str(short)), REFUSED, f"{short}: KEK number")
    says(
        await programs.run("vault_svc", KEK_FILE="/nowhere/kek.json"),
        REFUSED,
        "/nowhere/kek.json: there is no such file",
    )


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_unknown_setting_is_told(programs: Programs, program: str) -> None:
    ended = await programs.run(program, PROT="1")

    says(ended, REFUSED, f"{prefix(program)}PROT is not known; is {prefix(program)}PORT meant?")


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_ready_file_that_cannot_be_written_is_told(
    programs: Programs, program: str
) -> None:
    ended = await programs.run(program, READY_FILE="/nowhere/ready.json")

    says(ended, REFUSED, "/nowhere/ready.json cannot be written")


async def test_a_port_that_needs_a_privilege_is_told(programs: Programs) -> None:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 80))
        except PermissionError:
            pass
        else:
            pytest.skip("this user may listen on every port")
    ended = await programs.run("gateway", PORT="80")

    says(ended, REFUSED, "127.0.0.1:80", "this user may not listen on a port so low")


async def test_debug_shows_where_the_start_was_refused(
    programs: Programs, service: str
) -> None:
    ended = await programs.run(service, DSN="postgresql://u:p@127.0.0.1:1/x", LOG_LEVEL="DEBUG")

    first, *_, last = ended.lines
    assert "127.0.0.1:1" in first["problems"][0]
    assert last["failure"]["frames"]
