"""`splitkeep completion SHELL`: what a shell needs to complete our words."""

import click
from click.shell_completion import get_completion_class

from splitkeep.cli import COMPLETE_VARIABLE

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Example:
      splitkeep completion bash > ~/.local/share/bash-completion/completions/splitkeep
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    script = kind(context.find_root().command, {}, "splitkeep", COMPLETE_VARIABLE)
    click.echo(script.source())
