"""A Docker engine that answers, and the commands the tests give it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

COMMAND_SECONDS = 600


class EngineError(Exception):
    """No Docker engine can be used here; the message is one line that says why."""


class CommandError(Exception):
    """A command failed; the message holds what it printed."""


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    stdin: bytes | None = None,
    seconds: float = COMMAND_SECONDS,
) -> str:
    """Return what the command printed on standard output.

    Raises:
        CommandError: it ended with another code than 0, could not start, or took too long.
    """
    line = " ".join(str(word) for word in command)
    try:
        done = subprocess.run(
            [str(word) for word in command],
            input=stdin,
            capture_output=True,
            cwd=directory,
            env={**os.environ, **(environment or {})},
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise CommandError(f"{line}: {problem}") from None
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        complaint = done.stderr.decode(errors="replace")
        raise CommandError(f"{line}: exit code {done.returncode}\n{output}{complaint}")
    return output


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine, and how to stand where its published ports are.

    `inside` goes before every command that opens a published port: empty for an engine in
    this network namespace, `nsenter …` for one in a namespace of its own.
    """

    environment: Mapping[str, str]
    inside: tuple[str, ...] = ()
    offline: bool = False

    def docker(
        self,
        *arguments: str | Path,
        stdin: bytes | None = None,
        seconds: float = COMMAND_SECONDS,
    ) -> str:
        """Return what `docker …` printed.

        Raises:
            CommandError: the command failed.
        """
        return run(
            ["docker", *arguments],
            environment=self.environment,
            stdin=stdin,
            seconds=seconds,
        )

    def has(self, image: str) -> bool:
        """Whether the image is there already."""
        return bool(self.docker("image", "ls", "--quiet", image).strip())

    def reach(
        self,
        *command: str | Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stdin: bytes | None = None,
        seconds: float = COMMAND_SECONDS,
    ) -> str:
        """Run a command where the published ports are; see `run`."""
        return run(
            [*self.inside, *command],
            environment={**self.environment, **(environment or {})},
            directory=directory,
            stdin=stdin,
            seconds=seconds,
        )
