"""When the environment is made, added to or left alone; nothing is installed here."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from splitkeep.environment import (
    CHECK_LOCK,
    MISSING_VENV,
    ROOT,
    RUN_LOCK,
    Action,
    Clone,
    Installer,
    SetupError,
    Stamp,
    decide,
    enter,
    is_clone,
    lock_to_install,
    prepare,
    wanted_lock,
)

HASHES = {RUN_LOCK: "run-1", CHECK_LOCK: "check-1"}


def a_stamp(lock: str = RUN_LOCK, sha256: str = "run-1") -> Stamp:
    return Stamp(lock=lock, sha256=sha256, interpreter="python")


class RecordedRun:
    """Runs nothing; an environment "created" by it has an interpreter."""

    def __init__(self, clone: Clone, *, fails_at: str = "nothing") -> None:
        self._clone, self._fails_at = clone, fails_at
        self.commands: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str]) -> None:
        self.commands.append(command)
        if self._fails_at in command:
            raise SetupError("failed")
        if "venv" in command:
            self._clone.python.parent.mkdir(parents=True, exist_ok=True)
            self._clone.python.touch()

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
    ("stamp", "wanted", "action"),
    [
        pytest.param(None, RUN_LOCK, Action.REBUILD, id="none"),
        pytest.param(a_stamp(), RUN_LOCK, Action.NOTHING, id="serves"),
        pytest.param(a_stamp(), CHECK_LOCK, Action.ADD, id="lacks the tools"),
        pytest.param(a_stamp(CHECK_LOCK, "check-1"), RUN_LOCK, Action.NOTHING, id="has more"),
        pytest.param(a_stamp(sha256="run-0"), RUN_LOCK, Action.REBUILD, id="stale"),
        pytest.param(
            a_stamp(CHECK_LOCK, "check-0"), RUN_LOCK, Action.REBUILD, id="stale tools"
        ),
        pytest.param(a_stamp("other.lock", "x"), RUN_LOCK, Action.REBUILD, id="unknown lock"),
    ],
)
def test_an_environment_is_changed_only_when_it_does_not_serve(
    stamp: Stamp | None, wanted: str, action: Action
) -> None:
    assert decide(stamp, wanted=wanted, hashes=HASHES) is action


def test_a_stale_environment_keeps_its_tools() -> None:
    assert lock_to_install(a_stamp(CHECK_LOCK, "check-0"), wanted=RUN_LOCK) == CHECK_LOCK


def test_a_fresh_clone_gets_what_the_command_needs(clone: Clone) -> None:
    run = RecordedRun(clone)

    changed = prepare(clone, an_installer(run), RUN_LOCK)

    assert changed
    assert run.steps == ["create", "install"]
    stamp = clone.read_stamp()
    assert stamp is not None
    assert (stamp.lock, stamp.sha256) == (RUN_LOCK, clone.hashes()[RUN_LOCK])


def test_an_environment_that_serves_is_left_alone(clone: Clone) -> None:
    run = RecordedRun(clone)
    prepare(clone, an_installer(run), CHECK_LOCK)
    run.commands.clear()

    changed = prepare(clone, an_installer(run), RUN_LOCK)

    assert not changed
    assert run.commands == []


def test_the_tools_are_added_without_making_the_environment_anew(clone: Clone) -> None:
    run = RecordedRun(clone)
    prepare(clone, an_installer(run), RUN_LOCK)
    run.commands.clear()

    prepare(clone, an_installer(run), CHECK_LOCK)

    assert run.steps == ["install"]


def test_an_interrupted_installation_is_made_again_from_the_start(clone: Clone) -> None:
    interrupted = RecordedRun(clone, fails_at="install")
    with pytest.raises(SetupError):
        prepare(clone, an_installer(interrupted), RUN_LOCK)
    assert clone.read_stamp() is None

    run = RecordedRun(clone)
    prepare(clone, an_installer(run), RUN_LOCK)

    assert run.steps == ["create", "install"]


def test_an_interrupted_addition_is_made_again_from_the_start(clone: Clone) -> None:
    prepare(clone, an_installer(RecordedRun(clone)), RUN_LOCK)
    broken = RecordedRun(clone, fails_at="install")
    with pytest.raises(SetupError):
        prepare(clone, an_installer(broken), CHECK_LOCK)

    run = RecordedRun(clone)
    prepare(clone, an_installer(run), CHECK_LOCK)

    assert run.steps == ["create", "install"]


def test_a_changed_lock_makes_the_environment_anew(clone: Clone) -> None:
    prepare(clone, an_installer(RecordedRun(clone)), RUN_LOCK)
    clone.lock(RUN_LOCK).write_text("new contents")
    run = RecordedRun(clone)

    prepare(clone, an_installer(run), RUN_LOCK)

    assert run.steps == ["create", "install"]


def test_an_environment_whose_python_is_gone_is_made_anew(clone: Clone) -> None:
    prepare(clone, an_installer(RecordedRun(clone)), RUN_LOCK)
    clone.python.unlink()

    assert clone.read_stamp() is None


def test_an_environment_of_another_python_is_made_anew(clone: Clone, tmp_path: Path) -> None:
    prepare(clone, an_installer(RecordedRun(clone)), RUN_LOCK)
    upgraded = tmp_path / "python3.99"
    upgraded.touch()
    clone.python.unlink()
    clone.python.symlink_to(upgraded)

    assert clone.read_stamp() is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"lock": 1}', json.dumps({"x": "y"}).encode()]
)
def test_a_stamp_that_cannot_be_read_counts_as_none(clone: Clone, content: bytes) -> None:
    prepare(clone, an_installer(RecordedRun(clone)), RUN_LOCK)
    clone.stamp_file.write_bytes(content)

    assert clone.read_stamp() is None


@pytest.mark.parametrize("uv", ["uv", None], ids=["uv", "pip"])
def test_every_file_is_checked_against_its_hash(clone: Clone, uv: str | None) -> None:
    run = RecordedRun(clone)

    prepare(clone, an_installer(run, uv=uv), RUN_LOCK)

    assert "--require-hashes" in run.commands[-1]
    assert str(clone.lock(RUN_LOCK)) in run.commands[-1]


def test_a_python_without_venv_names_the_package_to_install(
    clone: Clone,
) -> None:
    installer = an_installer(RecordedRun(clone), uv=None, has_venv=False)

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
import time
from pathlib import Path
Path("uv-works").touch()
time.sleep(600)
"""


def test_a_ctrl_c_while_the_environment_is_made_is_answered_in_a_sentence(
    clone: Clone, tmp_path: Path
) -> None:
    (clone.root / "splitkeep").mkdir()
    for name in ("__init__.py", "__main__.py", "environment.py"):
        shutil.copy(ROOT / "splitkeep" / name, clone.root / "splitkeep")
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
        os.killpg(making.pid, signal.SIGINT)
        _, said = making.communicate(timeout=20)
    finally:
        making.kill()

    assert making.returncode == 130
    assert said.splitlines()[1:] == ["Interrupted; the next run makes the environment anew."]


def await_file(file: Path) -> None:
    deadline = time.monotonic() + 20
    while not file.exists():  # a file tells nobody that it was written
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_on_tests_installs_nothing(clone: Clone, word: str) -> None:
    enter(["test", word], root=clone.root)

    assert not clone.venv.exists()


@pytest.mark.parametrize("version", [(3, 4), (3, 6)])
def test_an_old_python_can_read_the_sentence_that_turns_it_away(
    version: tuple[int, int],
) -> None:
    source = (ROOT / "splitkeep" / "__main__.py").read_text()

    ast.parse(source, feature_version=version)

    assert "f'" not in source
    assert 'f"' not in source


def test_making_the_environment_needs_the_standard_library_only() -> None:
    imported = {
        name.split(".")[0]
        for file in ("__main__.py", "environment.py", "cli.py")
        for name in _imports((ROOT / "splitkeep" / file).read_text())
    }

    assert imported - sys.stdlib_module_names == {"splitkeep"}


def _imports(source: str) -> list[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    return plain + [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
