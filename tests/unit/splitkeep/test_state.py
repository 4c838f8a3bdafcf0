"""A state directory serves one stack at a time and is erased only if it is one."""

import os
import stat
import threading
from pathlib import Path

import pytest

from splitkeep.files import write_json
from splitkeep.kek_file import ensure_kek_file
from splitkeep.local.databases import ensure_passwords
from splitkeep.local.postgres import PostgresError
from splitkeep.local.state import State, StateError, Wait, open_state, read_description


def test_a_new_state_directory_is_its_owners_alone(tmp_path: Path) -> None:
    state = open_state(tmp_path / "a" / "state")

    assert stat.S_IMODE(state.directory.stat().st_mode) == 0o700


def test_a_state_directory_is_opened_again(tmp_path: Path) -> None:
    first = open_state(tmp_path / "state")
    first.make_directories()

    assert open_state(tmp_path / "state") == first


def test_a_directory_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()

    with pytest.raises(StateError, match="not empty"):
        open_state(tmp_path)


def test_a_file_is_refused_by_the_name_of_what_chose_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StateError, match=r"is a file: name a directory .*SPLITKEEP_STATE_DIR"):
        open_state(tmp_path / "file")


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
def test_a_directory_that_others_may_fill_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)

    with pytest.raises(StateError, match="written by other users"):
        open_state(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_second_stack_on_the_same_state_is_refused(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")

    with state.held():
        state.description.write_text("{}")
        with pytest.raises(StateError, match="a stack is running"), state.held():
            pass
        with pytest.raises(StateError, match=f"process {os.getpid()}"), state.held():
            pass


def test_a_stack_that_is_ending_is_waited_for(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")
    told: list[str] = []
    begun, ended = threading.Event(), threading.Event()

    def end_soon() -> None:
        with state.held():
            begun.set()
            ended.wait(10)

    def hear(message: str) -> None:
        told.append(message)
        ended.set()

    ending = threading.Thread(target=end_soon)
    ending.start()
    assert begun.wait(10)
    with state.held(wait=Wait(20, hear)):
        pass
    ending.join()

    assert [message.startswith("Waiting for process") for message in told] == [True]


def test_a_stack_that_does_not_end_is_not_waited_for_without_end(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")

    with (
        state.held(),
        pytest.raises(StateError, match="starting or stopping"),
        state.held(wait=Wait(0.2, lambda _: None)),
    ):
        pass


def test_a_running_stack_is_refused_without_waiting(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")
    told: list[str] = []

    with state.held():
        state.description.write_text("{}")
        with pytest.raises(StateError, match="running"), state.held(wait=Wait(60, told.append)):
            pass

    assert told == []


WHOLE = {"gateway": "g", "vault": "v", "ca": "c", "tokens": {}}


def test_a_killed_stack_leaves_no_description_that_anybody_believes(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")
    write_json(state.description, WHOLE)

    with state.held():
        assert read_description(state.directory) == WHOLE

    assert read_description(state.directory) is None


@pytest.mark.parametrize("missing", WHOLE)
def test_half_a_description_is_none(tmp_path: Path, missing: str) -> None:
    state = open_state(tmp_path / "state")
    write_json(state.description, {n: v for n, v in WHOLE.items() if n != missing})

    with state.held():
        assert read_description(state.directory) is None


@pytest.mark.parametrize("name", ["a\nb", "a\rb"])
def test_a_path_with_a_line_break_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StateError, match="line break"):
        open_state(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "1", '{"vault": 1}', '{"vault": {}}'),
        '{"vault": {"superuser": null, "owner": "b"}}',
        '{"vault": {"superuser": "a", "owner": "it\'s"}}',
    ],
)
def test_damaged_passwords_are_told_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "passwords.json").write_text(content)

    with pytest.raises(PostgresError, match="is damaged"):
        ensure_passwords(tmp_path / "passwords.json", "vault")


@pytest.mark.parametrize("known", [None, '{"metadata": {"superuser": "a", "owner": "b"}}'])
def test_no_passwords_are_made_for_databases_that_are_there(
    tmp_path: Path, known: str | None
) -> None:
    path = tmp_path / "passwords.json"
    if known is not None:
        path.write_text(known)

    with pytest.raises(PostgresError, match=r"\.json lacks the passwords of the vault"):
        ensure_passwords(path, "vault", has_data=True)

    assert (path.read_text() if path.exists() else None) == known


@pytest.mark.timeout(10)
def test_a_pipe_in_the_place_of_the_lock_is_named(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")
    os.mkfifo(state.directory / "lock")

    with pytest.raises(OSError, match=r"Not a regular file.*lock"), state.held():
        pass
    assert not state.in_use()


def test_a_state_left_by_a_dead_process_is_held_again(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")
    (state.directory / "lock").write_text("999999")

    with state.held():
        assert (state.directory / "lock").read_text() != "999999"


def test_erasing_leaves_nothing_but_the_state_directory_itself(tmp_path: Path) -> None:
    state = open_state(tmp_path / "state")
    state.make_directories()
    ensure_kek_file(state.kek_file, bytes)
    (state.directory / "test-1").mkdir()

    state.erase()

    left = {path.name for path in state.directory.iterdir()}
    assert left == {"splitkeep-state", "test-1"}


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_no_stack_runs_where_nothing_describes_one(tmp_path: Path, content: str) -> None:
    State(tmp_path).description.write_text(content)

    assert read_description(tmp_path) is None
    assert read_description(tmp_path / "absent") is None
