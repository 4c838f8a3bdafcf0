"""Where embedded Postgres runs: nobody's directory is opened, and no root runs it."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from pwd import getpwnam

import pytest

from chassis.sensitive import Sensitive
from splitkeep.environment import ROOT
from splitkeep.local.child import NO_CHANGE
from splitkeep.local.ports import Ports
from splitkeep.local.postgres import PostgresServer, PostgresSettings
from splitkeep.local.postgres_home import (
    PostgresHome,
    PostgresHomeError,
    erase_home,
    open_home,
    wheel_directory,
)

IS_ROOT = os.geteuid() == 0
ORDINARY_USER = "daemon"
UNKNOWN_ID = 54_321

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


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else")
async def test_started_by_root_it_runs_as_an_unprivileged_user(
    home: PostgresHome, state: Path
) -> None:
    settings = PostgresSettings(
        name="vault", port=Ports().choose(0), password=Sensitive("pw"), durable=False
    )
    server = PostgresServer(home, settings, state / "log")
    await server.start()
    try:
        identity = _process_status(server.pid)
    finally:
        await server.stop()

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


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else")
def test_a_user_whom_the_system_does_not_know_is_told_in_a_sentence(
    everybodys_directory: Path,
) -> None:
    packages = everybodys_directory / "packages"
    _copy_for_everybody(packages)
    mine = everybodys_directory / "mine"
    mine.mkdir(mode=0o700)
    os.chown(mine, UNKNOWN_ID, UNKNOWN_ID)

    finished = subprocess.run(
        [_python_for_everybody(), "-c", AS_ORDINARY_USER, str(mine)],
        check=False,
        capture_output=True,
        text=True,
        cwd=everybodys_directory,
        env={"PYTHONPATH": str(packages), "PATH": os.defpath},
        user=UNKNOWN_ID,
        group=UNKNOWN_ID,
        extra_groups=[],
    )

    assert f"the user {UNKNOWN_ID} has no entry" in finished.stderr


@pytest.mark.skipif(not IS_ROOT, reason="only root needs a directory outside")
@pytest.mark.parametrize("content", [b"", b"\n", b"garbage", b"\xff"])
def test_a_damaged_name_of_the_directory_outside_makes_no_new_databases(
    home: PostgresHome, state: Path, content: bytes
) -> None:
    pointer = state / "postgres-directory"
    whole = pointer.read_bytes()
    pointer.write_bytes(content)
    try:
        with pytest.raises(PostgresHomeError, match="is damaged"):
            open_home(state, as_root=True)
    finally:
        pointer.write_bytes(whole)
    assert open_home(state, as_root=True) == home


@pytest.mark.skipif(not IS_ROOT, reason="only root needs a directory outside")
def test_a_lost_name_of_the_directory_outside_makes_no_new_databases(
    home: PostgresHome, state: Path
) -> None:
    (home.directory / "vault" / "data").mkdir(parents=True)
    (state / "postgres-directory").unlink()

    with pytest.raises(PostgresHomeError, match=f"{home.directory} holds the databases"):
        open_home(state, as_root=True)
    erase_home(state)
    assert not home.directory.exists()


@pytest.mark.skipif(not IS_ROOT, reason="only root needs a directory outside")
@pytest.mark.parametrize("lost", [".", "state-directory"])
def test_a_lost_directory_outside_makes_no_new_databases(
    home: PostgresHome, state: Path, lost: str
) -> None:
    away = home.directory.with_name(f"{home.directory.name}-away")
    home.directory.joinpath(lost).rename(away)
    try:
        with pytest.raises(PostgresHomeError, match="whose databases are gone"):
            open_home(state, as_root=True)
    finally:
        away.rename(home.directory / lost)

    assert open_home(state, as_root=True) == home


@pytest.mark.skipif(not IS_ROOT, reason="only root needs a directory outside")
def test_a_moved_state_directory_makes_no_new_databases(
    home: PostgresHome, state: Path
) -> None:
    moved = state / "moved"
    moved.mkdir()
    shutil.copy(state / "postgres-directory", moved)

    with pytest.raises(PostgresHomeError, match=f"was moved, write {moved} into"):
        open_home(moved, as_root=True)

    assert (moved / "postgres-directory").read_text() == str(home.directory)


@pytest.mark.skipif(not IS_ROOT, reason="only root has a copy of the binaries")
def test_binaries_that_are_gone_are_copied_again(home: PostgresHome, state: Path) -> None:
    shutil.rmtree(home.installation)

    open_home(state, as_root=True)

    assert Path(home.program("postgres")).exists()


def test_no_change_of_user_is_made_for_an_ordinary_user(tmp_path: Path) -> None:
    home = open_home(tmp_path, as_root=False)

    assert home.identity == NO_CHANGE
    assert home.directory == tmp_path / "postgres"


@pytest.mark.skipif(not IS_ROOT, reason="only root's databases are outside the state directory")
def test_a_file_that_an_ending_server_removes_meanwhile_does_not_stop_the_erasing(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_home(state, as_root=True)
    remove = os.unlink
    removed_by_the_server: list[str] = []

    def also_removed_by_the_server(path: str, *, dir_fd: int | None = None) -> None:
        remove(path, dir_fd=dir_fd)
        if not removed_by_the_server:
            removed_by_the_server.append(path)
            raise FileNotFoundError(path)

    (home.directory / "postmaster.pid").touch()
    monkeypatch.setattr(os, "unlink", also_removed_by_the_server)
    erase_home(state)

    assert removed_by_the_server
    assert not home.directory.exists()
