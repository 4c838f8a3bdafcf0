"""Every request of docs/rest.md, sent as a reader sends it, is answered as the page says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.status import INTERNAL, REASONS
from tests.e2e.stack import ROOT, Stack

PAGE = ROOT / "docs" / "rest.md"
BLOCK = re.compile(r"^```(sh|json (\d+))\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANSWER = re.compile(r"(.*?)\n(\d{3})\n", re.DOTALL)
NAMESPACE = "rest-page"
SECRETS = ("correct horse", "battery staple", "only one", "in its own file")
MARK = "=== next block ==="


@dataclass(frozen=True)
class Example:
    """What a reader types at once, and what is answered to each of its requests."""

    typed: str
    answers: tuple[tuple[int, str], ...]


def examples() -> Iterator[Example]:
    typed, answers = "", []
    for kind, code, text in BLOCK.findall(PAGE.read_text()):
        if kind != "sh":
            answers.append((int(code), text))
            continue
        if typed:
            yield Example(typed, tuple(answers))
        typed, answers = text, []
    yield Example(typed, tuple(answers))


EXAMPLES = list(examples())


def at_the_stack(stack: Stack, text: str) -> str:
    """The same words with this stack's address, and a namespace that no other test uses."""
    places = {
        "https://localhost:8080": stack.info["gateway"],
        "/namespaces/default": f"/namespaces/{NAMESPACE}",
        '"namespace": "default"': f'"namespace": "{NAMESPACE}"',
        "token --role Admin": f"token --role Admin --namespace {NAMESPACE}",
        "python3 -m splitkeep": f"{sys.executable} -m splitkeep",
    }
    for written, meant in places.items():
        text = text.replace(written, meant)
    return text


@pytest.fixture(scope="module")
def printed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block prints, typed one after the other into one shell."""
    directory = tmp_path_factory.mktemp("reader")
    (directory / ".splitkeep").symlink_to(stack.directory)
    script = f"\necho '{MARK}'\n".join(at_the_stack(stack, e.typed) for e in EXAMPLES)
    environment = {"PYTHONPATH": str(ROOT), "SPLITKEEP_STATE_DIR": str(stack.directory)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=directory,
        env=os.environ | environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split(f"{MARK}\n")


def shows(answer: Any, shown: Any) -> bool:
    """Whether the answer is what the page shows, where the page shows anything."""
    if isinstance(shown, dict):
        return isinstance(answer, dict) and all(
            key in answer and shows(answer[key], value) for key, value in shown.items()
        )
    if isinstance(shown, list):
        return len(answer) == len(shown) and all(map(shows, answer, shown))
    return bool(answer == shown)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_request_is_answered_as_the_page_says(
    stack: Stack, printed: list[str], number: int
) -> None:
    answers = ANSWER.findall(printed[number])

    shown = EXAMPLES[number].answers
    assert [int(code) for _, code in answers] == [code for code, _ in shown], printed[number]
    for (answer, _), (_, text) in zip(answers, shown, strict=True):
        expected = json.loads(at_the_stack(stack, text))
        assert shows(json.loads(answer.splitlines()[0]), expected), answer


def test_no_answer_has_a_value_in_it(printed: list[str]) -> None:
    output = "".join(printed)

    assert [secret for secret in SECRETS if secret in output] == []


def test_every_request_of_the_page_has_its_answer_there() -> None:
    unanswered = [example.typed for example in EXAMPLES[1:] if not example.answers]

    assert unanswered == []
    assert EXAMPLES[0].answers == ()


def test_the_table_of_failures_is_the_gateways() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)

    assert {(int(code), reason) for code, reason in rows} == {
        (reason.code, reason.name) for reason in (*REASONS.values(), INTERNAL)
    }


def test_the_page_puts_neither_tokens_nor_values_into_arguments() -> None:
    typed = "".join(example.typed for example in EXAMPLES)
    arguments = re.sub(r"<<'(\w+)'\n.*?\n\1\n", "", typed, flags=re.DOTALL)

    assert re.findall(r"""Bearer \$|"spec": \{[^}]*"value":""", arguments) == []
