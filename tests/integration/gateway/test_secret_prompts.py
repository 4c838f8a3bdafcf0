"""What a person types at a terminal: values that are not echoed, and answers to questions."""

import asyncio
import os
import pty
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

from splitkeep.manage.failures import ExitCode
from tests.fakes.gateway.services import ADMIN
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.test_secret_commands import fill, sign_in

__all__ = ["sign_in"]

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUE = "correct horse"
PROGRAM = "import sys; from splitkeep.manage.app import run; sys.exit(run(sys.argv[1:]))"


def at_a_terminal(words: tuple[str, ...], answers: dict[str, str]) -> tuple[int, str]:
    """The exit code and all that the terminal showed; each answer follows its question."""
    child, terminal = pty.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, *words])
    shown, waiting = "", list(answers.items())
    with suppress(OSError):  # the terminal's end
        while part := os.read(terminal, 4096):
            shown += part.decode()
            if waiting and waiting[0][0] in shown:
                os.write(terminal, f"{waiting.pop(0)[1]}\n".encode())
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown


@pytest.fixture(autouse=True)
def signed_in(sign_in: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(ADMIN)
    monkeypatch.setenv("NO_COLOR", "1")


async def test_a_value_is_asked_for_twice_and_never_shown(gateway: Gateway) -> None:
    words = ("secret", "create", "a", "--description", "d")
    answers = {"Value: ": VALUE, "Value, again: ": VALUE}

    code, shown = await asyncio.to_thread(at_a_terminal, words, answers)

    assert code == ExitCode.DONE, shown
    assert gateway.store.values["default", "a"] == VALUE.encode()
    assert VALUE not in shown
    assert "\x1b[3" not in shown  # no colour


async def test_two_values_that_differ_are_not_written(gateway: Gateway) -> None:
    words = ("secret", "create", "a", "--description", "d")
    answers = {"Value: ": VALUE, "Value, again: ": "another"}

    code, shown = await asyncio.to_thread(at_a_terminal, words, answers)

    assert (code, gateway.store.values) == (ExitCode.USAGE, {})
    assert "the two values differ: nothing is written" in shown


@pytest.mark.parametrize(
    ("names", "question", "answer", "left"),
    [
        (("a",), "Delete a?", "y", 2),
        (("a",), "Delete a?", "n", 3),
        (("a", "b"), "Delete 2? Type 2", "2", 1),
        (("a", "b"), "Delete 2? Type 2", "y", 3),
        (("--all",), "Delete 3? Type 3", "3", 0),
    ],
)
async def test_a_delete_is_confirmed(
    gateway: Gateway, names: tuple[str, ...], question: str, answer: str, left: int
) -> None:
    fill(gateway, "a", "b", "c")

    code, shown = await asyncio.to_thread(
        at_a_terminal, ("secret", "delete", *names), {question: answer}
    )

    assert question in shown
    assert len(gateway.store.objects) == left
    assert code == (ExitCode.FAILED if left == 3 else ExitCode.DONE)
