"""When the environment is made, added to or left alone; nothing is installed here."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from splitkeep.environment import (
    CHECK_LOCK,
    MISSING_VENV,
    ROOT,
    RUN_LOCK,
    Clone,
    Installer,
    SetupError,
    Stamp,
    enter,
    is_clone,
    lock_to_install,
    prepare,
    serves,
    wanted_lock,
)

STANDARD_LIBRARY_ONLY = (
    *("__init__.py", "__main__.py", "cli.py", "environment.py", "terminal.py"),
    *("host_names.py", "token_request.py"),
    *("local/__init__.py", "local/ports.py", "local/settings.py"),
    *(
        str(f.relative_to(ROOT / "splitkeep"))
        for f in (ROOT / "splitkeep").glob("arguments/*.py")
    ),
)
HASHES = {RUN_LOCK: "run-1", CHECK_LOCK: "check-1"}


def a_stamp(lock: str = RUN_LOCK, sha256: str = "run-1") -> Stamp:
    return Stamp(lock=lock, sha256=sha256, interpreter="python")


class RecordedRun:
    """Runs nothing; an environment "created" by it has an interpreter."""

    def __init__(
        self, *, fails_at: str = "nothing", error: BaseException | None = None
    ) -> None:
        self._fails_at, self._error = fails_at, error or SetupError("failed")
        self.commands: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> None:
        self.commands.append(command)
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()
        if self._fails_at in command:
            raise self._error

    @property
    def steps(self) -> list[str]:
        return ["create" if "venv" in c else "install" for c in self.commands]


def an_installer(
    run: RecordedRun, *, uv: str | None = "uv", has_venv: bool = True
) -> Installer:
    return Installer("python3", uv, has_venv, run)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    (tmp_path / "requirements").mkdir()
    for lock in (RUN_LOCK, CHECK_LOCK):
        (tmp_path / "requirements" / lock).write_text(f"contents of {lock}")
    (tmp_path / "pyproject.toml").touch()
    return Clone(tmp_path)


@pytest.mark.parametrize(
    ("stamp", "wanted", "enough"),
    [
        pytest.param(None, RUN_LOCK, False, id="none"),
        pytest.param(a_stamp(), RUN_LOCK, True, id="serves"),
        pytest.param(a_stamp(), CHECK_LOCK, False, id="lacks the tools"),
        pytest.param(a_stamp(CHECK_LOCK, "check-1"), RUN_LOCK, True, id="has more"),
        pytest.param(a_stamp(sha256="run-0"), RUN_LOCK, False, id="stale"),
        pytest.param(a_stamp(CHECK_LOCK, "check-0"), RUN_LOCK, False, id="stale tools"),
        pytest.param(a_stamp("other.lock", "x"), RUN_LOCK, False, id="unknown lock"),
    ],
)
def test_an_environment_is_made_only_when_none_serves(
    stamp: Stamp | None, wanted: str, *, enough: bool
) -> None:
    assert serves(stamp, wanted=wanted, hashes=HASHES) is enough


def test_a_stale_environment_keeps_its_tools() -> None:
    assert lock_to_install(a_stamp(CHECK_LOCK, "check-0"), wanted=RUN_LOCK) == CHECK_LOCK


def test_a_fresh_clone_gets_what_the_command_needs(clone: Clone) -> None:
    run = RecordedRun()

    changed = prepare(clone, an_installer(run), RUN_LOCK)

    assert changed
    assert run.steps == ["create", "install"]
    stamp = clone.current.read_stamp()
    assert stamp is not None
    assert (stamp.lock, stamp.sha256) == (RUN_LOCK, clone.hashes()[RUN_LOCK])


def test_an_environment_that_serves_is_left_alone(clone: Clone) -> None:
    run = RecordedRun()
    prepare(clone, an_installer(run), CHECK_LOCK)
    run.commands.clear()

    changed = prepare(clone, an_installer(run), RUN_LOCK)

    assert not changed
    assert run.commands == []


@pytest.fixture
def working(clone: Clone) -> Path:
    """Where the environment in use is; a changed lock asks for another one."""
    prepare(clone, an_installer(RecordedRun()), RUN_LOCK)
    clone.lock(RUN_LOCK).write_text("new contents")
    return clone.current.directory.resolve()


FAILURES = {
    "the tool fails": SetupError("failed"),
    "disk full": OSError(28, "No space left on device"),
    "Ctrl-C": KeyboardInterrupt(),
}


@pytest.mark.parametrize("step", ["venv", "install"])
@pytest.mark.parametrize("error", FAILURES.values(), ids=FAILURES)
def test_whatever_fails_the_environment_in_use_stays_as_it_was(
    clone: Clone, working: Path, step: str, error: BaseException
) -> None:
    before = sorted(clone.root.rglob("*"))

    with pytest.raises(type(error)):
        prepare(clone, an_installer(RecordedRun(fails_at=step, error=error)), CHECK_LOCK)

    assert clone.current.directory.resolve() == working
    assert clone.current.read_stamp() is not None
    assert sorted(clone.root.rglob("*")) == before


def test_an_environment_that_is_no_link_stays_as_it_was_when_the_next_one_fails(
    clone: Clone,
) -> None:
    an_environment_of_an_older_release(clone)

    with pytest.raises(SetupError):
        prepare(clone, an_installer(RecordedRun(fails_at="install")), CHECK_LOCK)

    assert not clone.current.directory.is_symlink()
    assert clone.current.read_stamp() is not None


def test_an_environment_that_is_no_link_is_used_and_replaced_by_one(clone: Clone) -> None:
    an_environment_of_an_older_release(clone)

    assert not prepare(clone, an_installer(RecordedRun()), RUN_LOCK)
    assert prepare(clone, an_installer(RecordedRun()), CHECK_LOCK)

    assert clone.current.directory.is_symlink()
    assert list(clone.builds.iterdir()) == [clone.current.directory.resolve()]


def test_a_crash_between_the_two_steps_of_replacing_it_loses_nothing(clone: Clone) -> None:
    an_environment_of_an_older_release(clone)
    clone.builds.mkdir()
    clone.current.directory.rename(clone.replaced)

    with pytest.raises(SetupError):
        prepare(clone, an_installer(RecordedRun(fails_at="install")), CHECK_LOCK)

    assert clone.current.read_stamp() is not None


def an_environment_of_an_older_release(clone: Clone) -> None:
    prepare(clone, an_installer(RecordedRun()), RUN_LOCK)
    made = clone.current.directory.resolve()
    clone.current.directory.unlink()
    made.rename(clone.current.directory)
    clone.builds.rmdir()
    clone.current.write_stamp(RUN_LOCK, clone.hashes()[RUN_LOCK])


def test_what_a_killed_run_left_is_gone_after_the_next(clone: Clone) -> None:
    (clone.builds / "half").mkdir(parents=True)
    (clone.builds / "link").symlink_to("half")

    prepare(clone, an_installer(RecordedRun()), RUN_LOCK)

    assert list(clone.builds.iterdir()) == [clone.current.directory.resolve()]


def test_an_environment_that_others_share_by_a_link_is_not_touched(
    clone: Clone, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    (shared / "bin").mkdir(parents=True)
    clone.current.directory.symlink_to(shared)

    prepare(clone, an_installer(RecordedRun()), RUN_LOCK)

    assert (shared / "bin").exists()
    assert clone.current.directory.resolve() != shared


def test_a_changed_lock_makes_the_environment_anew(clone: Clone) -> None:
    prepare(clone, an_installer(RecordedRun()), RUN_LOCK)
    clone.lock(RUN_LOCK).write_text("new contents")
    run = RecordedRun()

    prepare(clone, an_installer(run), RUN_LOCK)

    assert run.steps == ["create", "install"]


def test_an_environment_whose_python_is_gone_is_made_anew(clone: Clone) -> None:
    prepare(clone, an_installer(RecordedRun()), RUN_LOCK)
    clone.current.python.unlink()

    assert clone.current.read_stamp() is None


def test_an_environment_of_another_python_is_made_anew(clone: Clone, tmp_path: Path) -> None:
    prepare(clone, an_installer(RecordedRun()), RUN_LOCK)
    upgraded = tmp_path / "python3.99"
    upgraded.touch()
    clone.current.python.unlink()
    clone.current.python.symlink_to(upgraded)

    assert clone.current.read_stamp() is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"lock": 1}', json.dumps({"x": "y"}).encode()]
)
def test_a_stamp_that_cannot_be_read_counts_as_none(clone: Clone, content: bytes) -> None:
    prepare(clone, an_installer(RecordedRun()), RUN_LOCK)
    clone.current.stamp_file.write_bytes(content)

    assert clone.current.read_stamp() is None


@pytest.mark.parametrize("uv", ["uv", None], ids=["uv", "pip"])
def test_every_file_is_checked_against_its_hash(clone: Clone, uv: str | None) -> None:
    run = RecordedRun()

    prepare(clone, an_installer(run, uv=uv), RUN_LOCK)

    assert "--require-hashes" in run.commands[-1]
    assert str(clone.lock(RUN_LOCK)) in run.commands[-1]


def test_a_python_without_venv_names_the_package_to_install(
    clone: Clone,
) -> None:
    installer = an_installer(RecordedRun(), uv=None, has_venv=False)

    with pytest.raises(SetupError) as caught:
        prepare(clone, installer, RUN_LOCK)

    assert str(caught.value) == MISSING_VENV
    assert "python3-venv" in MISSING_VENV


@pytest.mark.parametrize(
    ("words", "lock"),
    [
        (["dev", "--reset"], RUN_LOCK),
        (["test", "-k", "x"], CHECK_LOCK),
        (["setup"], CHECK_LOCK),
        (["--help"], RUN_LOCK),
        ([], RUN_LOCK),
    ],
)
def test_only_tests_and_checks_need_the_tools(words: list[str], lock: str) -> None:
    assert wanted_lock(words) == lock


def test_an_installed_package_makes_no_environment(tmp_path: Path) -> None:
    assert not is_clone(tmp_path)
    enter(["dev"], root=tmp_path)

    assert os.listdir(tmp_path) == []  # noqa: PTH208  # names only


SLOW_UV = """#!{python}
import os, time
from pathlib import Path
Path("uv-pid").write_text(str(os.getpid()))
Path("uv-works").touch()
time.sleep(600)
"""


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that is not ignored; nohup and a shell's `&` leave some ignored."""
    before = signal.signal(request.param, signal.SIG_DFL)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_while_the_environment_is_made_is_answered_in_a_sentence(
    clone: Clone, tmp_path: Path, number: signal.Signals
) -> None:
    (clone.root / "splitkeep").mkdir()
    for name in STANDARD_LIBRARY_ONLY:
        place = clone.root / "splitkeep" / name
        place.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "splitkeep" / name, place)
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(SLOW_UV.format(python=sys.executable))
    uv.chmod(0o755)

    # A terminal sends its Ctrl-C to every process of the group.
    making = subprocess.Popen(
        [sys.executable, "-m", "splitkeep", "dev"],
        cwd=clone.root,
        env={"PATH": str(uv.parent)},
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        await_file(clone.root / "uv-works")
        os.killpg(making.pid, number)
        _, said = making.communicate(timeout=20)
    finally:
        making.kill()

    assert making.returncode == 130
    assert said.splitlines()[1:] == [
        "Interrupted, and nothing was changed; the next run makes the environment."
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(int((clone.root / "uv-pid").read_text()), 0)


def await_file(file: Path) -> None:
    deadline = time.monotonic() + 20
    while not file.exists():  # a file tells nobody that it was written
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_on_tests_installs_nothing(clone: Clone, word: str) -> None:
    enter(["test", word], root=clone.root)

    assert not clone.current.directory.exists()


@pytest.mark.parametrize("version", [(3, 4), (3, 6)])
def test_an_old_python_can_read_the_sentence_that_turns_it_away(
    version: tuple[int, int],
) -> None:
    source = (ROOT / "splitkeep" / "__main__.py").read_text()

    ast.parse(source, feature_version=version)

    assert "f'" not in source
    assert 'f"' not in source


def test_words_and_the_environment_need_the_standard_library_only() -> None:
    imported = {
        name.split(".")[0]
        for file in STANDARD_LIBRARY_ONLY
        if file != "__main__.py"  # which goes on to run the command
        for name in _imports((ROOT / "splitkeep" / file).read_text())
    }

    assert imported - sys.stdlib_module_names == {"splitkeep"}


def _imports(source: str) -> list[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    return plain + [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
