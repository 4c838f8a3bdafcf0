"""kubectl as a person runs it: a program, a kubeconfig, and nothing else.

- Which kubectl: the one that SPLITKEEP_TEST_KUBECTL names, else the one that the locked tools
  for tests bring, else one on the PATH that is new enough. `skip` skips the tests that need it;
  where none is found they are skipped too, and in continuous integration they fail.
- Each command runs with an empty home, so that nothing of the user's own configuration and no
  cache of another server is read.
- What every command prints is searched for the tests' values, in all the forms of a canary.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import pytest

from tests.e2e.canary import hits
from tests.e2e.stack import MARK

OLDEST = (1, 30)
CHOICE = "SPLITKEEP_TEST_KUBECTL"
LOCKED = Path(sys.executable).with_name("kubectl")
COMMAND_SECONDS = 60


def find_program(environ: Mapping[str, str], locked: Path = LOCKED) -> str:
    """The kubectl to use. Skips the test, or fails it, where there is none."""
    chosen = environ.get(CHOICE)
    if chosen == "skip":
        pytest.skip(f"{CHOICE}=skip")
    if chosen:
        return chosen
    if locked.exists():
        return str(locked)
    found = shutil.which("kubectl", path=environ.get("PATH"))
    if found is not None and client_version(found) >= OLDEST:
        return found
    missing = f"no kubectl {'.'.join(map(str, OLDEST))} or newer: {CHOICE} may name one"
    if environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def client_version(program: str) -> tuple[int, int]:
    """Major and minor."""
    done = subprocess.run(
        [program, "version", "--client", "-o", "json"],
        check=True,
        capture_output=True,
        text=True,
    )
    version = json.loads(done.stdout)["clientVersion"]
    return int(version["major"]), int(re.sub(r"\D.*", "", version["minor"]))


class CommandError(AssertionError):
    """A command that ended otherwise than the test expects."""

    @classmethod
    def of(cls, words: Sequence[str], done: subprocess.CompletedProcess[str]) -> Self:
        """With what it said, and without a value among its words."""
        shown = " ".join("(a value)" if MARK in word else word for word in words)
        return cls(f"kubectl {shown}: {done.returncode}\n{done.stderr}{done.stdout}")


@dataclass(frozen=True, slots=True)
class Kubectl:
    """See the module."""

    program: str
    kubeconfig: Path
    home: Path

    def __call__(self, *words: str, given: Any = None, **variables: str) -> str:
        """What a command prints that succeeds."""
        done = self._run(words, given, variables)
        if done.returncode != 0:
            raise CommandError.of(words, done)
        return done.stdout

    def json(self, *words: str, given: Any = None) -> dict[str, Any]:
        """The document that a command prints."""
        document: dict[str, Any] = json.loads(self(*words, "-o", "json", given=given))
        return document

    def fails(self, *words: str, given: Any = None, code: int = 1, **variables: str) -> str:
        """What a command says on standard error, and then on standard output, that fails."""
        done = self._run(words, given, variables)
        if done.returncode != code:
            raise CommandError.of(words, done)
        return done.stderr + done.stdout

    def both(self, *words: str, given: Any = None) -> tuple[str, str]:
        """Standard output and standard error of a command that succeeds."""
        done = self._run(words, given, {})
        if done.returncode != 0:
            raise CommandError.of(words, done)
        return done.stdout, done.stderr

    @contextmanager
    def running(self, *words: str) -> Iterator["Running"]:
        """A command that goes on, such as a watch; it is ended with the context."""
        process = subprocess.Popen(
            [self.program, *words],
            env=self._environment({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        with process:
            try:
                yield Running(process)
            finally:
                process.kill()

    def _run(
        self, words: tuple[str, ...], given: Any, variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.program, *words],
            env=self._environment(variables),
            input=given if isinstance(given, str) else json.dumps(given),
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        check_output(done.stdout + done.stderr)
        return done

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        own = {"HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig)}
        return {"PATH": os.environ["PATH"], "TMPDIR": str(self.home)} | own | dict(variables)


@dataclass(frozen=True, slots=True)
class Running:
    """A command that goes on. Its last line may be awaited: a hung one ends by the timeout."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        """The next line of standard output."""
        return self._line(self.process.stdout)

    def says(self, text: str) -> None:
        """Standard error has had a line with this text."""
        while text not in self._line(self.process.stderr):
            pass

    def ends(self) -> int:
        """The exit code, when the command has ended of itself."""
        out, err = self.process.communicate(timeout=COMMAND_SECONDS)
        check_output(out + err)
        return self.process.returncode

    def _line(self, stream: IO[str] | None) -> str:
        assert stream is not None
        line = stream.readline()
        if not line:
            raise CommandError(f"ended with {self.process.wait()}")
        check_output(line)
        return line


def check_output(text: str) -> None:
    """No value of a test is in it, in any form."""
    if hits(MARK.encode(), text.encode()):
        raise CommandError("a command printed a secret's value")
