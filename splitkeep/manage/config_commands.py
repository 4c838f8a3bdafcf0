"""`splitkeep config …`: the installations that commands speak to."""

import os
import shlex
from pathlib import Path

import click

from splitkeep.manage.contexts import Context, contexts_file, read_contexts, write_contexts
from splitkeep.manage.failures import CommandError, ExitCode
from splitkeep.manage.options import TokenFrom, token_options
from splitkeep.manage.output import print_fields
from splitkeep.terminal import tell


@click.group()
def config() -> None:
    """Name the installations that you work with, each as a context.

    Without a context, commands speak to the `splitkeep dev` that runs on this machine.
    """


@config.command("set-context")
@click.argument("name")
@click.option("--server", required=True, metavar="URL", help="The gateway's address.")
@click.option(
    "--ca",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PEM file of its authority; default: those the system trusts.",
)
@click.option("--namespace", default="default", show_default=True, help="Namespace.")
@token_options
def set_context(
    name: str, *, server: str, ca: Path | None, namespace: str, token: TokenFrom
) -> None:
    """Add a context, or replace one. The first is the current one.

    \b
    Example:
      splitkeep config set-context prod --server https://secrets.example.com \\
        --token-file ~/.config/splitkeep/prod.token
    """
    token.require_one()
    if not server.startswith("https://"):
        raise CommandError("--server: must begin with https://", ExitCode.USAGE)
    context = Context(
        server=server.rstrip("/"),
        ca=str(ca.absolute()) if ca else "",
        namespace=namespace,
        token_file=str(token.file.absolute()) if token.file else "",
        token_command=tuple(shlex.split(token.command)),
        token=_asked_token() if token.inline else "",
    )
    path = contexts_file(os.environ)
    write_contexts(path, read_contexts(path).with_context(name, context))
    click.echo(f"context {name} is set in {path}")


@config.command("use-context")
@click.argument("name")
def use_context(name: str) -> None:
    """Make a context the current one.

    \b
    Example:
      splitkeep config use-context prod
    """
    path = contexts_file(os.environ)
    write_contexts(path, read_contexts(path).using(name))
    click.echo(f"context {name} is the current one")


@config.command("list")
def list_() -> None:
    """List the contexts; `*` marks the current one. No token is shown.

    \b
    Example:
      splitkeep config list
    """
    contexts = read_contexts(contexts_file(os.environ))
    print_fields(
        [
            (
                f"{'*' if name == contexts.current else ' '} {name}",
                f"{context.server} {context.namespace}",
            )
            for name, context in sorted(contexts.by_name.items())
        ]
    )


@config.command("delete-context")
@click.argument("name")
def delete_context(name: str) -> None:
    """Remove a context from the file. Files that it names stay.

    \b
    Example:
      splitkeep config delete-context prod
    """
    path = contexts_file(os.environ)
    write_contexts(path, read_contexts(path).without(name))
    click.echo(f"context {name} is deleted")


def _asked_token() -> str:
    tell("splitkeep: the token will be in the file of contexts; --token-file is safer")
    token: str = click.prompt("Token", hide_input=True, err=True)
    return token
