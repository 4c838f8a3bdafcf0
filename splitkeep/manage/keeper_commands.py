"""`splitkeep keeper …`: where values are kept."""

import click

from splitkeep.manage.bulk import confirm, for_each
from splitkeep.manage.failures import ExitCode
from splitkeep.manage.installation import Choice
from splitkeep.manage.options import (
    aws_options,
    dry_run_option,
    installation_options,
    open_api,
    output_option,
    yes_option,
)
from splitkeep.manage.output import (
    CREATED_BY,
    Column,
    Form,
    age_of,
    annotation,
    labels_of,
    print_list,
    print_object,
)
from splitkeep.manage.rest import KEEPERS, Object
from splitkeep.terminal import one_line


def _type(keeper: Object) -> str:
    """The one provider that the spec has."""
    return next((key for key in keeper["spec"] if key != "description"), "")


COLUMNS = (
    Column("name", lambda keeper: keeper["metadata"]["name"]),
    Column("type", _type),
    Column("active", lambda keeper: "yes" if keeper["status"].get("active") else "no"),
    Column("description", lambda keeper: keeper["spec"].get("description", "")),
    Column("labels", labels_of, wide=True),
    Column(
        "created",
        lambda keeper: age_of(keeper["metadata"].get("creationTimestamp", "")),
        wide=True,
    ),
    Column("created by", annotation(CREATED_BY), wide=True),
)


@click.group()
def keeper() -> None:
    """Manage keepers, the places where values are kept."""


@keeper.command()
@click.argument("name")
@click.option("--description", required=True, help="What it is for, for people.")
@aws_options
@dry_run_option
@output_option
@installation_options
def create(
    name: str, *, description: str, aws: Object, dry_run: bool, form: Form, installation: Choice
) -> None:
    """Create a keeper in AWS Secrets Manager. It is not active until it is activated.

    \b
    Example:
      splitkeep keeper create shop --description "Secrets of the shop" \\
        --aws-region eu-west-1 --aws-external-id shop \\
        --aws-role-arn arn:aws:iam::123456789012:role/splitkeep
    """
    document: Object = {
        "metadata": {"name": name},
        "spec": {"description": description, "aws": aws},
    }
    with open_api(installation) as api:
        print_object(api.create(KEEPERS, document, dry_run=dry_run), COLUMNS, form)


@keeper.command("list")
@output_option
@installation_options
def list_(*, form: Form, installation: Choice) -> None:
    """List the keepers. `system`, the server's own vault, is always there and not listed.

    \b
    Example:
      splitkeep keeper list
    """
    with open_api(installation) as api:
        print_list(api.items(KEEPERS, {}), COLUMNS, form, kind="Keeper")


@keeper.command()
@click.argument("name")
@output_option
@installation_options
def get(name: str, *, form: Form, installation: Choice) -> None:
    """Show one keeper.

    \b
    Example:
      splitkeep keeper get shop
    """
    with open_api(installation) as api:
        print_object(api.get(KEEPERS, name), COLUMNS, form)


@keeper.command()
@click.argument("name")
@yes_option
@installation_options
def activate(name: str, *, yes: bool, installation: Choice) -> None:
    """Have new secrets kept by this keeper; `system` returns to the server's own vault.

    Secrets that are there stay where they are.

    \b
    Example:
      splitkeep keeper activate system --yes
    """
    with open_api(installation) as api:
        if not yes:
            confirm("Have new secrets kept by", (name,))
        api.activate(name)
        click.echo(f"{one_line(name)} active")


@keeper.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@yes_option
@dry_run_option
@installation_options
def delete(
    names: tuple[str, ...], *, yes: bool, dry_run: bool, installation: Choice
) -> ExitCode:
    """Delete keepers. One that a secret names is not deleted.

    \b
    Example:
      splitkeep keeper delete shop --yes
    """
    with open_api(installation) as api:
        if not (yes or dry_run):
            confirm("Delete", names)
        done = "would be deleted" if dry_run else "deleted"
        return for_each(names, lambda name: api.delete(KEEPERS, name, dry_run=dry_run), done)
