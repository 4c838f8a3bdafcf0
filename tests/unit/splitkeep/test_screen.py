"""The screen at the end of a start says the same as the README, for the stack that runs."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from splitkeep.environment import ROOT
from splitkeep.local.screen import running_screen
from splitkeep.local.state import State

DESCRIPTION: dict[str, Any] = {
    "gateway": "https://127.0.0.1:8080",
    "metadata": "127.0.0.1:9401",
    "vault": "127.0.0.1:9402",
    "operations": dict.fromkeys(("gateway", "metadata", "vault"), "http://127.0.0.1:1"),
}


@pytest.fixture
def screen() -> str:
    return running_screen(State(Path("/home/me/.splitkeep")), DESCRIPTION, own_state=False)


def test_the_example_is_the_readmes(screen: str) -> None:
    readme = (ROOT / "README.md").read_text()

    for line in (
        "printf 'correct horse' | python3 -m splitkeep secret create pg-main \\",
        '  --description "Main database" --decrypter k6-cloud --from-file -',
        "python3 -m splitkeep decrypt pg-main",
    ):
        assert line in readme.splitlines()
        assert f"  {line}" in screen.splitlines()


def test_the_screen_says_where_to_type(screen: str) -> None:
    assert "in a second terminal, from this directory" in screen


def test_the_screen_names_the_documentation_and_kubectl(screen: str) -> None:
    assert "https://localhost:8080/docs" in screen
    assert "splitkeep kubeconfig --output /home/me/.splitkeep/kubeconfig" in screen
    assert "kubectl --kubeconfig /home/me/.splitkeep/kubeconfig get securevalues" in screen


def test_the_key_file_is_to_be_backed_up(screen: str) -> None:
    assert "cp -p /home/me/.splitkeep/kek.json" in screen


def test_places_with_a_space_are_quoted() -> None:
    state = State(Path("/home/me/a clone/.splitkeep"))
    screen = running_screen(state, DESCRIPTION, own_state=False)
    (line,) = (line for line in screen.splitlines() if line.lstrip().startswith("cp -p"))

    assert shlex.split(line)[2] == str(state.kek_file)


def test_commands_name_a_state_directory_that_is_not_the_usual_one() -> None:
    screen = running_screen(State(Path("/elsewhere")), DESCRIPTION, own_state=True)

    assert "secret create --state /elsewhere pg-main" in screen
    assert "decrypt --state /elsewhere pg-main" in screen
    assert "splitkeep dev --state /elsewhere --reset" in screen
