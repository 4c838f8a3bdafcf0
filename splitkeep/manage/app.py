"""The commands that manage an installation, as one click application.

Their words are read here and not by splitkeep.cli: click is in the environment, which exists by
the time they run.
"""

from collections.abc import Sequence
from typing import NoReturn

import click

from splitkeep.cli import COMMANDS, COMPLETE_VARIABLE
from splitkeep.environment import INTERRUPTED
from splitkeep.manage.completion import completion
from splitkeep.manage.config_commands import config
from splitkeep.manage.failures import CommandError, ExitCode
from splitkeep.manage.installation_commands import logs, status, version, whoami
from splitkeep.manage.keeper_commands import keeper
from splitkeep.manage.secret_commands import secret
from splitkeep.manage.text import tell_failure


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def app() -> None:
    """Keeps a team's secrets."""


for command in (secret, keeper, config, whoami, status, logs, version, completion):
    app.add_command(command)


def run(words: Sequence[str]) -> int:
    """Runs one command; answers the exit code. BrokenPipeError is the caller's to handle."""
    try:
        code = app.main(list(words), prog_name="splitkeep", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return ExitCode.USAGE
    except click.ClickException as error:
        error.show()
        return ExitCode.FAILED
    except click.Abort:
        return INTERRUPTED
    except CommandError as error:
        tell_failure(error)
        return error.code
    return code if isinstance(code, int) else ExitCode.DONE


def complete() -> NoReturn:
    """The completions that the shell asked for are printed; ends with SystemExit."""
    known = {name: click.Command(name, help=summary) for name, summary in COMMANDS.items()}
    every = click.Group(commands={**known, **app.commands})
    every.main(prog_name="splitkeep", complete_var=COMPLETE_VARIABLE)
    raise SystemExit
