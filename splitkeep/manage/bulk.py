"""The same done to many: a result for each, and no failure hides the others."""

import sys
from collections.abc import Callable, Sequence

import click
from rich.console import Console
from rich.progress import Progress

from splitkeep.manage.failures import CommandError, ExitCode
from splitkeep.manage.options import Selection, require_names_or_selection
from splitkeep.manage.rest import SECRETS, RestApi
from splitkeep.manage.text import tell_failure
from splitkeep.terminal import one_line

FEW = 5  # done in a moment: no progress bar


def names_meant(api: RestApi, names: tuple[str, ...], selection: Selection) -> tuple[str, ...]:
    """The names, or those that are selected now. Raises CommandError."""
    require_names_or_selection(names, selection)
    if names:
        return names
    return tuple(item["metadata"]["name"] for item in api.items(SECRETS, selection.query))


def for_each(names: Sequence[str], act: Callable[[str], object], done: str) -> ExitCode:
    """One after another; each result is a line, failures on standard error.

    The code is that of the first failure. What is unavailable ends it: the rest would be, too.
    """
    code = ExitCode.DONE
    with _progress(len(names)) as progress:
        task = progress.add_task(done, total=len(names))
        for name in names:
            try:
                act(name)
            except CommandError as error:
                tell_failure(error, about=name)
                code = code or error.code
                if error.code is ExitCode.UNAVAILABLE:
                    break
            else:
                click.echo(f"{one_line(name)} {done}")
            progress.advance(task)
    return code


def confirm(question: str, names: Sequence[str]) -> None:
    """Returns if the person agrees: to many, by typing their number. Raises CommandError."""
    if not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask at: add --yes", ExitCode.USAGE)
    if len(names) == 1:
        agreed = click.confirm(f"{question} {one_line(names[0])}?", err=True)
    else:
        count = str(len(names))
        typed = click.prompt(f"{question} {count}? Type {count}", err=True)
        agreed = typed.strip() == count
    if not agreed:
        raise CommandError("nothing is changed")


def _progress(count: int) -> Progress:
    """On standard error, where results do not go, and only where somebody sees it move."""
    console = Console(stderr=True)
    visible = count > FEW and console.is_terminal and not sys.stdout.isatty()
    return Progress(console=console, disable=not visible, transient=True)
