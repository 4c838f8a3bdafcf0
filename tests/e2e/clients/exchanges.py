"""Plays the exchanges in tests/vectors: requests as a client sends them, answers it needs."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.clients.kubectl import check_output

STORY = {"comment", "headers", "steps"}
REQUEST = {"does", "method", "path", "body", "answer", "keep"}
ANSWER = {"status", "has", "absent", "matches", "causes"}
DECRYPTION = {"does", "decrypt", "value"}
VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Story:
    """One file."""

    headers: Mapping[str, str]
    steps: list[dict[str, Any]]


def load(file: Path) -> Story:
    """The file's story. Raises ValueError for a word that is not of the format."""
    document = json.loads(file.read_text())
    known(document, STORY)
    for step in document["steps"]:
        known(step, DECRYPTION if "decrypt" in step else REQUEST)
        known(step.get("answer", {}), ANSWER)
    return Story(document["headers"], document["steps"])


def known(document: Mapping[str, Any], words: set[str]) -> None:
    if unknown := document.keys() - words:
        raise ValueError(f"not of the format: {sorted(unknown)}")


@dataclass(slots=True)
class Player:
    """Plays a story in a namespace, on a client that is authenticated."""

    http: httpx2.Client
    namespace_url: str
    decrypt: Callable[[str], str]
    variables: dict[str, str]
    origin: str = field(init=False)

    def __post_init__(self) -> None:
        self.origin = self.namespace_url.partition("/apis/")[0]

    def play(self, story: Story) -> None:
        """Every answer is as the story says. Raises AssertionError."""
        for number, step in enumerate(story.steps, 1):
            told = f"step {number}, {step['does']}"
            if "decrypt" in step:
                # As a flag: a failed comparison would print the value.
                same = self.decrypt(step["decrypt"]) == self._filled(step["value"])
                assert same, f"{told}: another value"
                continue
            answer = self._send(step, story.headers)
            check_output(answer.text)
            self._check(told, answer, self._filled(step["answer"]))
            for name, path in step.get("keep", {}).items():
                self.variables[name] = at(answer.json(), path)

    def _send(self, step: Mapping[str, Any], headers: Mapping[str, str]) -> httpx2.Response:
        path: str = step["path"]
        base = self.origin if path.startswith("/") else f"{self.namespace_url}/"
        body = json.dumps(self._filled(step["body"])).encode() if "body" in step else None
        return self.http.request(step["method"], base + path, content=body, headers=headers)

    def _check(self, told: str, answer: httpx2.Response, wanted: Mapping[str, Any]) -> None:
        assert answer.status_code == wanted["status"], f"{told}: {answer.text}"
        document = answer.json()
        difference = missing(wanted.get("has", {}), document)
        assert difference is None, f"{told}: {difference} in {document}"
        for path in wanted.get("absent", ()):
            assert at(document, path) is None, f"{told}: {path} in {document}"
        for path, pattern in wanted.get("matches", {}).items():
            assert re.search(pattern, at(document, path)), f"{told}: {path} in {document}"
        if "causes" in wanted:
            causes = [[c["field"], c["reason"]] for c in document["details"]["causes"]]
            assert causes == wanted["causes"], f"{told}: {document}"

    def _filled(self, document: Any) -> Any:
        """The document with its variables and its long parts."""
        if isinstance(document, str):
            return VARIABLE.sub(lambda match: str(self.variables[match[1]]), document)
        if isinstance(document, list):
            return [self._filled(item) for item in document]
        if isinstance(document, dict):
            return self._filled_object(document)
        return document

    def _filled_object(self, document: dict[str, Any]) -> Any:
        if "$repeat" in document:
            return document["$repeat"] * document["times"]
        if "$numbered" in document:
            return [f"{document['$numbered']}{n}" for n in range(document["times"])]
        return {key: self._filled(value) for key, value in document.items()}


def at(document: Any, path: str) -> Any:
    """What is at a dotted path; None if nothing is."""
    for part in path.split("."):
        if isinstance(document, list):
            document = document[int(part)] if int(part) < len(document) else None
        else:
            document = document.get(part) if isinstance(document, dict) else None
    return document


def missing(wanted: Any, found: Any, path: str = "") -> str | None:
    """The path of a part that is not as wanted; None if all is."""
    if isinstance(wanted, dict) and "$contains" in wanted:
        items = found if isinstance(found, list) else []
        return None if any(missing(wanted["$contains"], i) is None for i in items) else path
    if not isinstance(wanted, dict):
        return None if wanted == found else path
    if not isinstance(found, dict):
        return path
    parts = (missing(value, found.get(key), f"{path}.{key}") for key, value in wanted.items())
    return next((part for part in parts if part is not None), None)
