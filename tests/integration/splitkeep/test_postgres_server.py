"""Embedded Postgres: private, watched, recovered; by root and by an ordinary user."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from pwd import getpwnam
from uuid import uuid4

import asyncpg
import pytest

from chassis.sensitive import Sensitive
from splitkeep.environment import ROOT
from splitkeep.local.child import NO_CHANGE
from splitkeep.local.databases import ensure_database
from splitkeep.local.ports import Ports
from splitkeep.local.postgres import PostgresError, PostgresServer, PostgresSettings, dsn
from splitkeep.local.postgres_home import PostgresHome, erase_home, open_home, wheel_directory

IS_ROOT = os.geteuid() == 0
ORDINARY_USER = "daemon"
PASSWORD = "p@ss/word: with everything"

AS_ORDINARY_USER = """
import asyncio, subprocess, sys
from pathlib import Path
from chassis.sensitive import Sensitive
from splitkeep.local.ports import Ports
from splitkeep.local.postgres import PostgresServer, PostgresSettings
from splitkeep.local.postgres_home import open_home

async def main(state):
    home = open_home(state, as_root=False)
    settings = PostgresSettings(
        name="vault", port=Ports().choose(0), password=Sensitive("pw"), durable=False
    )
    server = PostgresServer(home, settings, state / "log")
    await server.start()
    try:
        query = [home.program("psql"), server.admin_dsn.reveal(), "-Atc"]
        query.append("SHOW listen_addresses")
        print(subprocess.run(query, check=True, capture_output=True, text=True).stdout.strip())
    finally:
        await server.stop()

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    erase_home(tmp_path)


@pytest.fixture
def home(state: Path) -> PostgresHome:
    return open_home(state, as_root=IS_ROOT)


def a_server(home: PostgresHome, log: Path) -> PostgresServer:
    settings = PostgresSettings(
        name="vault", port=Ports().choose(0), password=Sensitive(PASSWORD), durable=False
    )
    return PostgresServer(home, settings, log)


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresHome]:
    state = tmp_path_factory.mktemp("postgres")
    yield open_home(state, as_root=IS_ROOT)
    erase_home(state)


@pytest.fixture(scope="module")
def cluster(shared_home: PostgresHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a cluster that was started and stopped once, to be copied."""

    async def make() -> Path:
        server = a_server(shared_home, tmp_path_factory.mktemp("log") / "log")
        await server.start()
        await server.stop()
        return server.directory

    return asyncio.run(make())


@pytest.fixture
def empty_home(shared_home: PostgresHome) -> PostgresHome:
    """A home without data, whose binaries are shared."""
    directory = shared_home.make_directory(shared_home.directory / uuid4().hex[:6])
    return replace(shared_home, directory=directory)


@pytest.fixture
def server(empty_home: PostgresHome, cluster: Path, tmp_path: Path) -> PostgresServer:
    """A server of this test's own that was shut down once."""
    subprocess.run(["cp", "-a", cluster, empty_home.directory], check=True)
    return a_server(empty_home, tmp_path / "log")


@asynccontextmanager
async def running(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    await server.start()
    try:
        connection = await asyncpg.connect(server.admin_dsn.reveal())
        yield connection
        await connection.close(timeout=5)
    finally:
        await server.stop()


async def test_every_way_in_asks_for_a_scram_password(server: PostgresServer) -> None:
    async with running(server) as connection:
        methods = await connection.fetch("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        addresses = await connection.fetchval("SHOW listen_addresses")

    assert [row["auth_method"] for row in methods] == ["scram-sha-256"]
    assert addresses == "127.0.0.1"


async def test_a_wrong_password_is_refused(server: PostgresServer) -> None:
    wrong = dsn(server.settings, user="postgres", password="wrong", database="postgres")

    async with running(server):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(wrong.reveal())


async def test_data_sockets_and_passwords_are_their_users_alone(server: PostgresServer) -> None:
    async with running(server):
        modes = {p: stat.S_IMODE(p.stat().st_mode) for p in (server.directory, server.data)}

    assert set(modes.values()) == {0o700}
    assert not (server.directory / "password").exists()


async def test_data_outlive_a_stop_and_a_start(server: PostgresServer) -> None:
    async with running(server) as connection:
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    async with running(server) as connection:
        assert await connection.fetchval("SELECT seven FROM kept") == 7


async def test_data_outlive_a_killed_postmaster(server: PostgresServer) -> None:
    await server.start()
    connection = await asyncpg.connect(server.admin_dsn.reveal())
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    os.kill(server.pid, signal.SIGKILL)
    assert await server.ended() == -signal.SIGKILL
    connection.terminate()

    async with asyncio.timeout(30):
        while True:
            try:
                await server.start()
                break
            except PostgresError:  # its orphaned backends may still hold the shared memory
                await asyncio.sleep(0.1)
    async with running(server) as connection:
        assert await connection.fetchval("SELECT seven FROM kept") == 7


async def test_a_server_left_by_a_killed_supervisor_is_ended_first(
    server: PostgresServer, tmp_path: Path
) -> None:
    await server.start()
    successor = a_server(server.home, tmp_path / "log")

    async with running(successor) as connection:
        assert await connection.fetchval("SELECT 1") == 1
        assert await server.ended() == 0
    await server.stop()


async def test_a_lock_file_that_names_somebody_elses_process_is_no_obstacle(
    server: PostgresServer,
) -> None:
    async with running(server):
        pass
    lines = [str(os.getpid()), str(server.data), "1", "1", "", "127.0.0.1", "", "ready"]
    (server.data / "postmaster.pid").write_text("\n".join(lines) + "\n")

    async with running(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_an_initdb_that_was_interrupted_is_done_again(
    empty_home: PostgresHome, tmp_path: Path
) -> None:
    server = a_server(empty_home, tmp_path / "log")
    server.home.make_directory(server.directory)
    server.home.make_directory(server.directory / "data.new")
    (server.directory / "data.new" / "PG_VERSION").write_text("18\n")

    async with running(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_data_of_another_release_are_refused_in_words(server: PostgresServer) -> None:
    async with running(server):
        pass
    (server.data / "PG_VERSION").write_text("15\n")

    with pytest.raises(PostgresError, match="made by Postgres 15"):
        await server.start()


async def test_a_server_that_cannot_start_says_why(server: PostgresServer) -> None:
    async with running(server):
        pass
    (server.data / "postgresql.auto.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(PostgresError, match="no_such_setting"):
        await server.start()


async def test_the_services_role_owns_its_database_and_is_no_superuser(
    server: PostgresServer,
) -> None:
    async with running(server):
        way_in = await ensure_database(server, Sensitive("owner-password"))
        again = await ensure_database(server, Sensitive("owner-password"))
        connection = await asyncpg.connect(way_in.reveal())
        superuser = await connection.fetchval("SHOW is_superuser")
        owner = await connection.fetchval(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        )
        await connection.close()

    assert way_in.reveal() == again.reveal()
    assert (superuser, owner) == ("off", "vault")


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else")
async def test_started_by_root_it_runs_as_an_unprivileged_user(server: PostgresServer) -> None:
    async with running(server):
        identity = _process_status(server.pid)

    assert set(identity["Uid"].split()) == {str(server.home.identity.uid)} != {"0"}
    assert identity["CapEff"].strip("0\t ") == ""


def _process_status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)


@pytest.mark.skipif(not IS_ROOT, reason="only root needs a directory outside")
def test_started_by_root_it_opens_nobodys_directory(home: PostgresHome, state: Path) -> None:
    again = open_home(state, as_root=True)

    assert again == home
    assert not home.directory.is_relative_to(state)
    assert stat.S_IMODE(home.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert home.directory.stat().st_uid == home.identity.uid


@pytest.mark.skipif(not IS_ROOT, reason="only root needs a directory outside")
def test_erasing_removes_the_directory_outside(home: PostgresHome, state: Path) -> None:
    erase_home(state)

    assert not home.directory.exists()


@pytest.mark.skipif(not IS_ROOT, reason="only root needs a directory outside")
def test_a_copied_state_directory_does_not_take_over_the_originals_data(
    home: PostgresHome, state: Path
) -> None:
    copy = state / "copy"
    copy.mkdir()
    shutil.copy(state / "postgres-directory", copy)

    erase_home(copy)

    assert home.directory.exists()


@pytest.fixture
def everybodys_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="splitkeep-ordinary-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.skipif(not IS_ROOT, reason="the other tests are run by an ordinary user")
def test_an_ordinary_user_runs_it_from_a_directory_of_his_own(
    everybodys_directory: Path,
) -> None:
    python = _python_for_everybody()
    packages = everybodys_directory / "packages"
    _copy_for_everybody(packages)
    mine = everybodys_directory / "mine"
    mine.mkdir(mode=0o700)
    user = getpwnam(ORDINARY_USER)
    os.chown(mine, user.pw_uid, user.pw_gid)

    finished = subprocess.run(
        [python, "-c", AS_ORDINARY_USER, str(mine)],
        check=False,
        capture_output=True,
        text=True,
        cwd=everybodys_directory,
        env={"PYTHONPATH": str(packages), "PATH": os.defpath},
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
    )

    assert (finished.returncode, finished.stdout) == (0, "127.0.0.1\n"), finished.stderr
    assert (mine / "postgres" / "vault" / "data").stat().st_uid == user.pw_uid


def _python_for_everybody() -> str:
    """An interpreter outside root's home, which an ordinary user may enter."""
    candidates = (str(Path(sys.base_prefix) / "bin" / "python3"), "/usr/bin/python3")
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    for candidate in candidates:
        try:
            subprocess.run(
                [candidate, "-c", check], check=True, user=ORDINARY_USER, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    pytest.skip("no Python 3.11 that an ordinary user may run")


def _copy_for_everybody(target: Path) -> None:
    wheel = wheel_directory()
    installed = [wheel, wheel.parent / f"{wheel.name}.libs"]
    installed += wheel.parent.glob(f"{wheel.name}-*.dist-info")
    for source in (ROOT / "chassis", ROOT / "splitkeep", *installed):
        shutil.copytree(source, target / source.name)
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))


def test_no_change_of_user_is_made_for_an_ordinary_user(tmp_path: Path) -> None:
    home = open_home(tmp_path, as_root=False)

    assert home.identity == NO_CHANGE
    assert home.directory == tmp_path / "postgres"
