"""The command line: finds the command, gives it its arguments, answers its exit code."""

import os
import subprocess
import sys
import tomllib
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Protocol, cast

from splitkeep.environment import ROOT, asks_for_help, is_clone
from splitkeep.terminal import tell

# Read by click (splitkeep.manage), in the environment.
MANAGING = {
    "secret": "create, list and change secrets; no value is ever shown",
    "keeper": "manage the places where values are kept",
    "config": "name the installations that commands speak to",
    "whoami": "show who the server takes you for, and what you may do",
    "status": "show whether the installation serves",
    "logs": "print the log of one service of `splitkeep dev`",
    "version": "print the version of this program and of the server",
    "completion": "print the completion script of bash, zsh or fish",
}
COMMANDS = {
    "dev": "run everything on this machine until Ctrl-C",
    "test": "run every test, on two Postgres servers made for it; arguments go to pytest",
    "setup": "make or renew .venv with the tools for tests and checks, and nothing else",
    "token": "print an access token",
    "kubeconfig": "print a kubeconfig, for kubectl and other clients of Kubernetes",
    "decrypt": "print secrets that a service may read",
    "production-secrets": "make the keys, certificates and passwords of docker-compose.yml",
    **MANAGING,
}
# Set by a shell that asks what could come next (splitkeep.manage.completion).
COMPLETE_VARIABLE = "_SPLITKEEP_COMPLETE"
# These read their own words: an option of pytest is none of ours.
UNPARSED = frozenset({"test", *MANAGING})


class Arguments(Protocol):
    """A module of splitkeep.arguments; its docstring is its command's help."""

    def add_arguments(self, parser: ArgumentParser, environ: Mapping[str, str]) -> None:
        """The parser knows what the command takes."""
        ...


class Command(Protocol):
    """A module of splitkeep.commands."""

    def run(self, arguments: Namespace, environ: Mapping[str, str]) -> int:
        """Does it; answers the exit code."""
        ...


def parse(words: Sequence[str]) -> Namespace:
    """What the command line says, as `command` and what that takes.

    Needs the standard library only. Raises SystemExit when that is all: a mistake, or help.
    """
    if not words:
        _parser("").print_help()
        raise SystemExit(0)
    if words[0] == "--version":
        print(f"splitkeep {release()}")
        raise SystemExit(0)
    if words[0] in UNPARSED:
        return Namespace(command=words[0], words=list(words[1:]))
    return _parser(words[0]).parse_args(words)


def run(words: Sequence[str]) -> int:
    """Runs one command; answers the exit code. Raises SystemExit, as `parse` does."""
    if asks_for_help(words):
        return _help_on_tests()
    arguments = parse(words)
    try:
        return load(arguments.command).run(arguments, os.environ)
    except BrokenPipeError:
        # Whoever reads our output has gone; Python is not to complain of it while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def load(name: str) -> Command:
    """The command of this name, which is imported now and not before."""
    module = "manage" if name in MANAGING else name.replace("-", "_")
    return cast("Command", import_module(f"splitkeep.commands.{module}"))


def arguments_of(name: str) -> Arguments:
    """What the command of this name takes."""
    return cast("Arguments", import_module(f"splitkeep.arguments.{name.replace('-', '_')}"))


def release() -> str:
    """The version, of the clone or of the installed package."""
    if is_clone(ROOT):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        return str(project["version"])
    return version("splitkeep")


def fail(message: object) -> int:
    """The message is on standard error; answers the exit code of a command that failed."""
    tell(f"splitkeep: {_sentence(message)}")
    return 1


def refuse(message: object) -> int:
    """As `fail`; answers the exit code of a command that was called wrongly."""
    fail(message)
    return 2


def _sentence(message: object) -> object:
    """An error of the operating system as its own text has it is a tuple's, not a sentence."""
    if isinstance(message, OSError) and message.strerror:
        place = f"{message.filename}: " if message.filename is not None else ""
        return f"{place}{message.strerror[0].lower()}{message.strerror[1:]}"
    return message


def _help_on_tests() -> int:
    print("usage: splitkeep test [WORD OF PYTEST ...]\n")
    print(arguments_of("test").__doc__, flush=True)
    options = _options_of_pytest() if find_spec("pytest") else ""
    hint = "`splitkeep setup` installs pytest, which then adds its own options here."
    print(options or hint)
    return 0


def _options_of_pytest() -> str:
    """Its help; empty for a pytest that lacks what the tests import."""
    command = [sys.executable, "-m", "pytest", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return shown.stdout if shown.returncode == 0 else ""


def _parser(asked: str) -> ArgumentParser:
    """Knows all names, and the arguments of the command that is asked for."""
    parser = ArgumentParser(
        prog="splitkeep",
        description="Keeps a team's secrets.",
        epilog="`splitkeep COMMAND --help` says what a command takes.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = arguments_of(name) if name == asked else None
        choice = choices.add_parser(
            name,
            help=summary,
            description=command.__doc__ if command else None,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if command:
            command.add_arguments(choice, os.environ)
    return parser
