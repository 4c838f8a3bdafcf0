"""`splitkeep secret edit`, `label` and `decrypters`: changes to secrets that are there."""

import os
from collections.abc import Iterable

import click

from splitkeep.manage.bulk import for_each, names_meant
from splitkeep.manage.editor import differences, edited_document
from splitkeep.manage.failures import CommandError, ExitCode
from splitkeep.manage.installation import Choice
from splitkeep.manage.options import (
    Selection,
    bulk_options,
    dry_run_option,
    installation_options,
    open_api,
    output_option,
    value_options,
)
from splitkeep.manage.output import Form, print_document
from splitkeep.manage.rest import SECRETS, Object, RestApi
from splitkeep.manage.value_sources import ValueSource, read_value
from splitkeep.terminal import one_line, tell


@click.command()
@click.argument("name")
@click.option("--description", help="The new description.")
@value_options
@dry_run_option
@output_option
@installation_options
def edit(
    name: str,
    *,
    description: str | None,
    source: ValueSource,
    dry_run: bool,
    form: Form,
    installation: Choice,
) -> None:
    """Change a secret: with options, or in $EDITOR.

    The editor shows it as YAML without its value, which stays as it is. If somebody else
    changes the secret meanwhile, nothing is written. An option for the value replaces it.

    \b
    Examples:
      splitkeep secret edit pg-main --description "Main database, since May"
      splitkeep secret edit pg-main --generate 32
      splitkeep secret edit pg-main
    """
    source.require_one()
    with open_api(installation, hidden=source.variable) as api:
        if source.is_given:
            spec: Object = {"value": read_value(source, os.environ).reveal()}
            if description is not None:
                spec["description"] = description
            changed = api.patch(SECRETS, name, {"spec": spec}, dry_run=dry_run)
        elif description is not None:
            parts = {"description": description}
            changed = api.edit(SECRETS, name, parts, dry_run=dry_run)
        else:
            changed = _edit_in_editor(api, name, dry_run=dry_run)
        _print_changed(changed, form)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[NAME]... LABEL...")
@bulk_options
@dry_run_option
@installation_options
def label(
    words: tuple[str, ...], *, selection: Selection, dry_run: bool, installation: Choice
) -> ExitCode:
    """Set labels with NAME=VALUE and remove them with NAME-.

    The right to write is enough: nothing is read.

    \b
    Examples:
      splitkeep secret label pg-main stage=prod old-
      splitkeep secret label --selector team=platform owner=storage
    """
    put = dict(word.split("=", 1) for word in words if "=" in word)
    others = [word for word in words if "=" not in word]
    removed = [word[:-1] for word in others if word.endswith("-")]
    names = tuple(word for word in others if not word.endswith("-"))
    if not put and not removed:
        raise CommandError("give a label as NAME=VALUE, or NAME- to remove it", ExitCode.USAGE)
    parts: Object = {"labels": {"put": put, "remove": removed}}
    with open_api(installation) as api:
        return _edit_each(api, names_meant(api, names, selection), parts, dry_run=dry_run)


@click.group()
def decrypters() -> None:
    """Change which services may read a secret."""


@decrypters.command()
@click.argument("words", nargs=-1, required=True, metavar="[NAME] SERVICE...")
@bulk_options
@dry_run_option
@installation_options
def add(
    words: tuple[str, ...], *, selection: Selection, dry_run: bool, installation: Choice
) -> ExitCode:
    """Let services read a secret.

    \b
    Examples:
      splitkeep secret decrypters add pg-main synthetic-monitoring
      splitkeep secret decrypters add --selector team=platform k6-cloud
    """
    with open_api(installation) as api:
        return _change_services("add", words, selection, api, dry_run=dry_run)


@decrypters.command()
@click.argument("words", nargs=-1, required=True, metavar="[NAME] SERVICE...")
@bulk_options
@dry_run_option
@installation_options
def remove(
    words: tuple[str, ...], *, selection: Selection, dry_run: bool, installation: Choice
) -> ExitCode:
    """Let services read a secret no more, from their next call on.

    \b
    Example:
      splitkeep secret decrypters remove pg-main synthetic-monitoring
    """
    with open_api(installation) as api:
        return _change_services("remove", words, selection, api, dry_run=dry_run)


def _change_services(
    part: str, words: tuple[str, ...], selection: Selection, api: RestApi, *, dry_run: bool
) -> ExitCode:
    """The first word is a name, unless secrets are selected; the rest are services."""
    named = 0 if selection.is_given else 1
    services = words[named:]
    if not services:
        raise CommandError("give a name, and services after it", ExitCode.USAGE)
    names = names_meant(api, words[:named], selection)
    return _edit_each(api, names, {"decrypters": {part: list(services)}}, dry_run=dry_run)


def _edit_each(
    api: RestApi, names: tuple[str, ...], parts: Object, *, dry_run: bool
) -> ExitCode:
    done = "would be changed" if dry_run else "changed"
    return for_each(names, lambda name: api.edit(SECRETS, name, parts, dry_run=dry_run), done)


def _edit_in_editor(api: RestApi, name: str, *, dry_run: bool) -> Object:
    """The secret as the person left it, on top of the version that was shown."""
    before = api.get(SECRETS, name)
    after = edited_document(before)
    if after is None:
        raise CommandError("nothing is changed")
    try:
        return api.replace(SECRETS, after, dry_run=dry_run)
    except CommandError as error:
        _tell_lines("your changes, which are not written:", differences(before, after))
        if error.code is not ExitCode.CONFLICT:
            raise
        _tell_theirs(api, name, before)
        raise CommandError(
            f"{name} was changed by somebody else while you edited it; nothing is written. "
            "Edit it again, on top of what is there now",
            ExitCode.CONFLICT,
        ) from None


def _tell_theirs(api: RestApi, name: str, before: Object) -> None:
    """What is different now; nothing if that cannot be had."""
    try:
        now = api.get(SECRETS, name)
    except CommandError:
        return
    _tell_lines("changed by somebody else meanwhile:", differences(before, now))


def _tell_lines(title: str, lines: Iterable[str]) -> None:
    tell(f"splitkeep: {title}")
    for line in lines:
        tell(f"  {one_line(line)}")


def _print_changed(changed: Object, form: Form) -> None:
    """A caller without the right to read gets the object's identity only."""
    if form in {Form.JSON, Form.YAML}:
        print_document(changed, form)
    else:
        done = "" if form is Form.NAME else " changed"
        click.echo(one_line(changed["metadata"]["name"]) + done)
