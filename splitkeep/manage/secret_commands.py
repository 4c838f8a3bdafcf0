"""`splitkeep secret …`: secure values, without ever reading a value."""

import os
from itertools import chain, islice

import click

from splitkeep.manage.bulk import confirm, for_each, names_meant
from splitkeep.manage.edit_commands import decrypters, edit, label
from splitkeep.manage.failures import CommandError, ExitCode
from splitkeep.manage.installation import Choice
from splitkeep.manage.options import (
    SORT_KEYS,
    Selection,
    bulk_options,
    dry_run_option,
    installation_options,
    open_api,
    output_option,
    selection_options,
    value_options,
    yes_option,
)
from splitkeep.manage.output import (
    CREATED_BY,
    UPDATED,
    Column,
    Form,
    age_of,
    annotation,
    labels_of,
    print_list,
    print_object,
)
from splitkeep.manage.rest import SECRETS, Object
from splitkeep.manage.value_sources import ValueSource, read_value

COLUMNS = (
    Column("name", lambda item: item["metadata"]["name"]),
    Column("description", lambda item: item["spec"].get("description", "")),
    Column("decrypters", lambda item: ", ".join(item["spec"].get("decrypters", ()))),
    Column("labels", labels_of),
    Column("version", lambda item: str(item["status"].get("version", ""))),
    Column("modified", lambda item: age_of(annotation(UPDATED)(item))),
    Column(
        "created",
        lambda item: age_of(item["metadata"].get("creationTimestamp", "")),
        wide=True,
    ),
    Column("keeper", lambda item: item["status"].get("keeper", ""), wide=True),
    Column("created by", annotation(CREATED_BY), wide=True),
    Column("uid", lambda item: item["metadata"].get("uid", ""), wide=True),
)


@click.group()
def secret() -> None:
    """Create, list and change secrets. No command shows a value.

    \b
    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict,
    5 denied, 6 unavailable.
    """


@secret.command()
@click.argument("name")
@click.option("--description", required=True, help="What it is, for people.")
@click.option(
    "--decrypter", "services", multiple=True, metavar="SERVICE", help="Who may read it."
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label.")
@value_options
@dry_run_option
@output_option
@installation_options
def create(  # noqa: PLR0913  # one for each option
    name: str,
    *,
    description: str,
    services: tuple[str, ...],
    labels: tuple[str, ...],
    source: ValueSource,
    dry_run: bool,
    form: Form,
    installation: Choice,
) -> None:
    """Create a secret; its value is asked for, unless an option says where it comes from.

    A value of several lines comes from a file or standard input.

    \b
    Example:
      splitkeep secret create pg-main --description "Main database" \\
        --decrypter k6-cloud --label team=platform --generate 32
    """
    metadata: Object = {"name": name, "labels": _labels(labels)}
    with open_api(installation, hidden=source.variable) as api:
        spec = {
            "description": description,
            "decrypters": list(services),
            "value": read_value(source, os.environ).reveal(),
        }
        document: Object = {"metadata": metadata, "spec": spec}
        print_object(api.create(SECRETS, document, dry_run=dry_run), COLUMNS, form)


@secret.command("list")
@selection_options
@click.option("--sort-by", type=click.Choice(SORT_KEYS), help="`-` reverses it.")
@click.option("--limit", type=click.IntRange(min=1), help="Print no more than this many.")
@output_option
@installation_options
def list_(
    *,
    selection: Selection,
    sort_by: str | None,
    limit: int | None,
    form: Form,
    installation: Choice,
) -> None:
    """List the secrets that you may read.

    \b
    Example:
      splitkeep secret list --search pg --selector team=platform
    """
    with open_api(installation) as api:
        pages = api.pages(
            SECRETS, selection.query | {"sortBy": sort_by or ""}, limit=limit or 0
        )
        items = islice(chain.from_iterable(page["items"] for page in pages), limit)
        print_list(items, COLUMNS, form, kind="SecureValue")


@secret.command()
@click.argument("name")
@output_option
@installation_options
def get(name: str, *, form: Form, installation: Choice) -> None:
    """Show everything about a secret but its value.

    \b
    Example:
      splitkeep secret get pg-main
    """
    with open_api(installation) as api:
        print_object(api.get(SECRETS, name), COLUMNS, form)


for command in (edit, label, decrypters):
    secret.add_command(command)


@secret.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@bulk_options
@yes_option
@dry_run_option
@installation_options
def delete(
    names: tuple[str, ...],
    *,
    selection: Selection,
    yes: bool,
    dry_run: bool,
    installation: Choice,
) -> ExitCode:
    """Delete secrets. Whatever reads them stops working at once.

    \b
    Example:
      splitkeep secret delete pg-main --yes
    """
    with open_api(installation) as api:
        meant = names_meant(api, names, selection)
        if meant and not (yes or dry_run):
            confirm("Delete", meant)
        done = "would be deleted" if dry_run else "deleted"
        return for_each(meant, lambda name: api.delete(SECRETS, name, dry_run=dry_run), done)


def _labels(words: tuple[str, ...]) -> dict[str, str]:
    wrong = [word for word in words if "=" not in word]
    if wrong:
        raise CommandError(f"--label {wrong[0]}: must be NAME=VALUE", ExitCode.USAGE)
    return dict(word.split("=", 1) for word in words)
