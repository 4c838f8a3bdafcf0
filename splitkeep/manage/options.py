"""Options that several commands take, each group of them as one parameter of the command."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeAlias

import click

from splitkeep.manage.failures import CommandError, ExitCode
from splitkeep.manage.installation import Choice, find_installation
from splitkeep.manage.output import Form
from splitkeep.manage.rest import RestApi
from splitkeep.manage.value_sources import ALPHABETS, ValueSource

Command: TypeAlias = Callable[..., Any]
Decorator: TypeAlias = Callable[[Command], Command]

SORT_KEYS = ("name", "-name", "created", "-created", "modified", "-modified")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which secrets are meant by what they have in common; nothing at all means none."""

    selector: str = ""
    field_selector: str = ""
    search: str = ""
    everything: bool = False

    @property
    def query(self) -> dict[str, str]:
        """As parameters of a list."""
        return {
            "labelSelector": self.selector,
            "fieldSelector": self.field_selector,
            "search": self.search,
        }

    @property
    def is_given(self) -> bool:
        """Whether the command line selects anything."""
        return self.everything or any(self.query.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFrom:
    """Where a context's token comes from."""

    file: Path | None = None
    command: str = ""
    inline: bool = False

    def require_one(self) -> None:
        """Raises CommandError if there is none, or more than one."""
        if sum(map(bool, (self.file, self.command, self.inline))) != 1:
            raise CommandError(
                "give one of --token-file, --token-command and --token-inline", ExitCode.USAGE
            )


def open_api(installation: Choice, *, hidden: str = "") -> RestApi:
    """The API of the installation that is chosen. Raises CommandError.

    The variable `hidden` holds a value: no program that is started for a token gets it.
    """
    environ = {name: text for name, text in os.environ.items() if name != hidden}
    return RestApi(find_installation(installation, environ))


def _bundle(
    parameter: str, make: Callable[..., object], options: Mapping[str, Decorator]
) -> Decorator:
    """The command takes these options, and gets what `make` makes of them as one parameter."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def bundled(*arguments: Any, **given: Any) -> Any:
            mine = {name: given.pop(name) for name in options}
            return command(*arguments, **given, **{parameter: make(**mine)})

        decorated: Command = bundled
        for option in reversed([*options.values()]):
            decorated = option(decorated)
        return decorated

    return decorate


installation_options = _bundle(
    "installation",
    Choice,
    {
        "context": click.option(
            "--context",
            default="",
            metavar="NAME",
            help="Context to use; see `splitkeep config`.",
        ),
        "namespace": click.option(
            "-n", "--namespace", default="", metavar="NAME", help="Default: the context's."
        ),
        "state": click.option(
            "--state",
            type=click.Path(path_type=Path, file_okay=False),
            help="State directory of a running `splitkeep dev`, instead of a context.",
        ),
    },
)
SELECTORS: Mapping[str, Decorator] = {
    "selector": click.option(
        "-l", "--selector", default="", help="By labels, such as `team=a,!old`."
    ),
    "field_selector": click.option(
        "--field-selector",
        default="",
        help="By spec.decrypter, status.keeper or metadata.name.",
    ),
    "search": click.option(
        "--search", default="", help="By the beginning of any word of the name."
    ),
}
selection_options = _bundle("selection", Selection, SELECTORS)
bulk_options = _bundle(
    "selection",
    Selection,
    {
        **SELECTORS,
        "everything": click.option(
            "--all", "everything", is_flag=True, help="Every secret that you may read."
        ),
    },
)
output_option = _bundle(
    "form",
    Form,
    {
        "value": click.option(
            "-o",
            "--output",
            "value",
            type=click.Choice([form.value for form in Form]),
            default=Form.TABLE.value,
            show_default=True,
            help="How to print.",
        )
    },
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Run every check on the server and write nothing."
)
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
value_options = _bundle(
    "source",
    ValueSource,
    {
        "file": click.option(
            "--from-file",
            "file",
            default="",
            metavar="FILE",
            help="Read the value from a file, byte for byte; `-` is standard input.",
        ),
        "variable": click.option(
            "--from-env",
            "variable",
            default="",
            metavar="NAME",
            help="Take the value of an environment variable.",
        ),
        "generate": click.option(
            "--generate",
            type=int,
            default=0,
            metavar="LENGTH",
            help="Make a random value of this many characters.",
        ),
        "alphabet": click.option(
            "--alphabet",
            type=click.Choice(list(ALPHABETS)),
            default="alphanumeric",
            show_default=True,
            help="Characters for --generate.",
        ),
        "save_to": click.option(
            "--save-to",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write the generated value to this new file, which only you can read.",
        ),
        "strip_newline": click.option(
            "--strip-newline",
            is_flag=True,
            help="Remove one line break from the end of what is read; else it is kept.",
        ),
    },
)

aws_options = _bundle(
    "aws",
    lambda region, role_arn, external_id: {
        "region": region,
        "assumeRole": {"assumeRoleArn": role_arn, "externalID": external_id},
    },
    {
        "region": click.option(
            "--aws-region", "region", required=True, help="AWS region, such as eu-west-1."
        ),
        "role_arn": click.option(
            "--aws-role-arn", "role_arn", required=True, help="ARN of the role to assume."
        ),
        "external_id": click.option(
            "--aws-external-id",
            "external_id",
            required=True,
            help="External id that its trust policy asks for.",
        ),
    },
)

token_options = _bundle(
    "token",
    TokenFrom,
    {
        "file": click.option(
            "--token-file",
            "file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Read the token from this file at each command.",
        ),
        "command": click.option(
            "--token-command",
            "command",
            default="",
            metavar="COMMAND",
            help="Run this at each command, and take what it prints.",
        ),
        "inline": click.option(
            "--token-inline",
            "inline",
            is_flag=True,
            help="Ask for the token now and keep it in the file of contexts.",
        ),
    },
)


def require_names_or_selection(names: tuple[str, ...], selection: Selection) -> None:
    """Raises CommandError if both are given, or none."""
    if bool(names) is selection.is_given:
        raise CommandError(
            "give names, or one of --selector, --field-selector, --search and --all",
            ExitCode.USAGE,
        )
