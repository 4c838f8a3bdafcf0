"""docs/cli.md: every command that manages secrets, as its own help has it."""

from collections.abc import Iterator

import click

from splitkeep.manage.app import app

COLUMNS = 88
HEAD = """<!-- Made by `make docs` from the code. -->
# The command line

Commands for secrets and keepers. They use the [REST API](rest.md) alone.
`splitkeep` stands for `python3 -m splitkeep` in a clone.
`splitkeep --help` also lists those that run and install things, such as `dev` and `test`.

Without a context, commands speak to the `splitkeep dev` that runs on this machine, as its
administrator.
Every example below is run by `tests/e2e/test_cli_page.py`, in this order.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict, 5 denied, 6 unavailable.
"""


def cli_page() -> str:
    """The page."""
    return HEAD + "".join(_sections(app, "splitkeep", None))


def examples(command: click.Command = app) -> Iterator[str]:
    """What is typed in the examples, in the order of the page."""
    for found in _commands(command):
        text = (found.help or "").partition("Example")[2].partition(":")[2]
        joined = text.replace("\\\n", " ")
        yield from (line.strip() for line in joined.splitlines() if line.strip())


def _commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from _commands(child)


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=COLUMNS,
        max_content_width=COLUMNS,
        **command.context_settings,
    )
    path = context.command_path
    yield f"\n{'#' * min(len(path.split()) + 1, 4)} {path}\n\n"
    yield f"```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for word, child in command.commands.items():
            yield from _sections(child, word, context)
