"""What a stack refuses before it starts anything."""

from pathlib import Path

import pytest

from chassis.clock import SystemClock
from splitkeep.kek_file import KekGoneError
from splitkeep.local.settings import PORT_OPTIONS
from splitkeep.local.stack import Stack
from splitkeep.local.state import State, open_state


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state(tmp_path / "state")


def a_stack(state: State) -> Stack:
    return Stack(
        state=state,
        ports={option.name: 1 for option in PORT_OPTIONS},
        environ={},
        clock=SystemClock(),
        as_root=False,
        report=print,
    )


async def test_a_lost_key_file_is_asked_for_and_not_made_again(state: State) -> None:
    (state.directory / "postgres" / "vault" / "data").mkdir(parents=True)

    with pytest.raises(KekGoneError, match=r"kek\.json is gone: put your back-up .*--reset"):
        async with a_stack(state).running():
            pass

    assert not state.kek_file.exists()


async def test_a_lost_key_file_is_asked_for_where_root_keeps_the_data_outside(
    state: State, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "vault" / "data").mkdir(parents=True)
    (outside / "state-directory").write_text(str(state.directory))
    (state.directory / "postgres-directory").write_text(str(outside))

    with pytest.raises(KekGoneError, match=r"kek\.json is gone"):
        async with a_stack(state).running():
            pass

    assert not state.kek_file.exists()
