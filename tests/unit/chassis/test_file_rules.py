"""Who may read and who may change files that matter, on real files and on reported ones."""

import asyncio
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from chassis.config import ConfigError, StartRefusedError, load_config
from chassis.errors import UnavailableError
from chassis.file_rules import SECRET, TRUST, FileRuleError, Holds, check_file, read_file
from chassis.issuers import IssuersFileError, load_issuers
from chassis.key_sources import FileKeySource
from chassis.sensitive import Sensitive
from chassis.tls_files import read_certificates
from vault_svc.kek_providers.local_file import load_keks

STRANGER = 54_321
needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="gives files to other users: needs root"
)


@dataclass(frozen=True)
class Config:
    key: Path | None = field(default=None, metadata={**SECRET})
    issuers: Path | None = field(default=None, metadata={**TRUST})
    dsn: Sensitive[str] | None = None


def a_file(folder: Path, mode: int, *, owner: int = -1, group: int = -1) -> Path:
    file = folder / "file"
    file.write_text("x")
    os.chown(file, owner, group)
    file.chmod(mode)
    return file


def as_a_stranger(check: Callable[[], None]) -> int:
    """0 if the check returns in a process of another user and group."""
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setgroups([])
            os.setgid(STRANGER)
            os.setuid(STRANGER)
            check()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def problem(file: Path, holds: Holds) -> str:
    with pytest.raises(FileRuleError) as error:
        check_file(file, holds)
    return str(error.value)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o440, 0o700])
def test_a_secret_is_for_its_owner_and_its_group(tmp_path: Path, mode: int) -> None:
    check_file(a_file(tmp_path, mode), Holds.SECRET)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o601, 0o777, 0o620, 0o660])
def test_a_secret_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    file = a_file(tmp_path, mode)

    told = problem(file, Holds.SECRET)

    assert f"{mode:04o}" in told
    # What it says to run is what helps.
    (advice,) = re.findall("`([^`]+)`", told)
    subprocess.run(advice.split(), check=True)
    check_file(file, Holds.SECRET)


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o644, 0o444, 0o664, 0o755])
def test_what_decides_trust_may_be_read_by_everybody(tmp_path: Path, mode: int) -> None:
    check_file(a_file(tmp_path, mode, group=os.getegid()), Holds.TRUST)


@pytest.mark.parametrize("mode", [0o646, 0o666, 0o602, 0o777])
def test_what_decides_trust_is_not_written_by_everybody(tmp_path: Path, mode: int) -> None:
    assert "chmod o-w" in problem(a_file(tmp_path, mode), Holds.TRUST)


@needs_root
def test_what_decides_trust_is_not_written_by_another_group(tmp_path: Path) -> None:
    assert "chmod g-w" in problem(a_file(tmp_path, 0o664, group=STRANGER), Holds.TRUST)


@needs_root
@pytest.mark.parametrize("holds", Holds)
def test_a_file_of_another_user_is_refused(tmp_path: Path, holds: Holds) -> None:
    told = problem(a_file(tmp_path, 0o600, owner=STRANGER), holds)

    assert f"user {STRANGER}" in told
    assert "chown" in told


@needs_root
def test_a_mount_that_belongs_to_root_gives_a_process_its_files_by_their_group(
    tmp_path: Path,
) -> None:
    """As Kubernetes mounts a secret with `defaultMode: 0440` and an `fsGroup`."""
    data = tmp_path / "..2026_01_01"
    data.mkdir()
    file = a_file(data, 0o440, group=STRANGER)
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "key").symlink_to("..data/file")
    for folder in (data, *tmp_path.parents):
        if folder.stat().st_mode & 0o005 != 0o005 and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    tmp_path.chmod(0o755)

    ended = as_a_stranger(lambda: check_file(tmp_path / "key", Holds.SECRET))

    assert file.stat().st_mode & 0o777 == 0o440
    assert ended == 0


def test_a_link_is_judged_by_what_it_leads_to(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(a_file(tmp_path, 0o644))

    assert "chmod 0600" in problem(link, Holds.SECRET)


@pytest.mark.parametrize("holds", Holds)
def test_a_directory_above_that_everybody_writes_is_refused(
    tmp_path: Path, holds: Holds
) -> None:
    folder = tmp_path / "open" / "below"
    folder.mkdir(parents=True)
    file = a_file(folder, 0o600)
    (tmp_path / "open").chmod(0o777)

    told = problem(file, holds)
    (tmp_path / "open").chmod(0o1777)

    assert f"chmod o-w {tmp_path / 'open'}" in told
    check_file(file, holds)


def test_a_directory_that_everybody_writes_is_refused_above_a_link_too(tmp_path: Path) -> None:
    file = a_file(tmp_path, 0o600)
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "link").symlink_to(file)
    (tmp_path / "open").chmod(0o777)

    assert "chmod o-w" in problem(tmp_path / "open" / "link", Holds.SECRET)


@pytest.mark.parametrize("setting", ["KEY", "DSN_FILE"])
def test_a_setting_whose_file_breaks_a_rule_is_told_in_one_sentence(
    tmp_path: Path, setting: str
) -> None:
    file = a_file(tmp_path, 0o644)

    with pytest.raises(ConfigError) as error:
        load_config(Config, "X_", {f"X_{setting}": str(file)})

    (told,) = error.value.problems
    assert told.startswith(f"X_{setting.removesuffix('_FILE')} ")
    assert str(file) in told
    assert f"chmod 0600 {file}" in told


def test_a_file_that_is_not_there_is_told_by_whoever_reads_it(tmp_path: Path) -> None:
    assert load_config(Config, "X_", {"X_KEY": str(tmp_path / "absent")}).key


def test_an_issuers_file_and_the_key_sets_that_it_names_are_checked(tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text('{"keys": []}')
    keys.chmod(0o666)
    file = tmp_path / "issuers.json"
    file.write_text(
        '{"issuers": [{"issuer": "a", "audiences": ["b"], "algorithm": "ES256", '
        '"jwks_file": "jwks.json"}]}'
    )

    with pytest.raises(IssuersFileError, match=r"jwks_file names .*chmod o-w"):
        load_issuers(file)
    keys.chmod(0o644)
    file.chmod(0o646)
    with pytest.raises(IssuersFileError, match="chmod o-w"):
        load_issuers(file)


class KeptAt:
    """A clock that never moves."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


REFUSALS = (StartRefusedError, UnavailableError)
READERS: dict[str, Callable[[Path], object]] = {
    "a setting": lambda path: load_config(Config, "X_", {"X_DSN_FILE": str(path)}),
    "issuers": load_issuers,
    "certificates": read_certificates,
    "KEKs": lambda path: load_keks(path, secrets.token_bytes),
    "a key set": lambda path: asyncio.run(FileKeySource(path, "ES256", KeptAt()).keys()),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(
    tmp_path: Path, reader: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    signal.alarm(10)  # a reader that waits for a writer waits for ever

    try:
        with structlog.testing.capture_logs() as logged, pytest.raises(REFUSALS) as error:
            READERS[reader](pipe)
    finally:
        signal.alarm(0)

    assert "is not a regular file" in f"{error.value}{logged}"


@pytest.mark.parametrize("reader", READERS)
def test_nobody_is_told_to_change_the_mode_of_a_directory_named_for_a_file(
    tmp_path: Path, reader: str
) -> None:
    tmp_path.chmod(0o1777)

    with structlog.testing.capture_logs() as logged, pytest.raises(REFUSALS) as error:
        READERS[reader](tmp_path)

    told = f"{error.value}{logged}"
    assert "directory" in told.lower()
    assert "chmod" not in told


def test_a_setting_that_names_a_directory_is_told_by_whoever_reads_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)

    assert load_config(Config, "X_", {"X_KEY": str(tmp_path)}).key


@pytest.mark.parametrize("reader", READERS)
def test_no_more_of_a_huge_file_is_read_than_it_may_have(tmp_path: Path, reader: str) -> None:
    huge = a_file(tmp_path, 0o600)
    os.truncate(huge, 1 << 40)  # has no blocks

    with structlog.testing.capture_logs() as logged, pytest.raises(REFUSALS) as error:
        READERS[reader](huge)

    assert "longer than" in f"{error.value}{logged}"


def test_what_is_read_is_what_was_checked_though_the_path_leads_elsewhere_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_text("checked")
    file.chmod(0o600)
    other.write_text("swapped in")
    other.chmod(0o666)
    resolve = Path.resolve

    def swap_meanwhile(path: Path, *args: bool) -> Path:
        """The last of the checks looks at the directories; by then the file is another."""
        if other.exists():
            other.replace(file)
        return resolve(path, *args)

    monkeypatch.setattr(Path, "resolve", swap_meanwhile)

    assert read_file(file, Holds.SECRET, maximum_bytes=100) == b"checked"
