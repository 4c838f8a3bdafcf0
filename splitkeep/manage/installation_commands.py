"""`splitkeep whoami`, `status`, `logs` and `version`: an installation and who speaks to it."""

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from splitkeep.cli import release
from splitkeep.local.settings import default_state
from splitkeep.local.state import State
from splitkeep.manage.failures import CommandError, ExitCode
from splitkeep.manage.installation import Choice
from splitkeep.manage.options import installation_options, open_api
from splitkeep.manage.output import print_fields
from splitkeep.terminal import tell

POLL_SECONDS = 0.2
SERVICES = ("gateway", "metadata", "vault", "postgres-metadata", "postgres-vault")
REVIEWS = "self"  # what everybody may ask about himself begins so


@click.command()
@installation_options
def whoami(*, installation: Choice) -> None:
    """Show who the server takes you for, and what you may do.

    \b
    Example:
      splitkeep whoami
    """
    with open_api(installation) as api:
        myself, rules = api.myself(), api.rules()
        rights = sorted(
            f"{resource}: {', '.join(rule['verbs'])}{_of(rule)}"
            for rule in rules
            for resource in rule.get("resources", ())
            if not resource.startswith(REVIEWS)
        )
        print_fields(
            [
                ("user", myself.get("username", "")),
                ("namespace", api.namespace),
                *(("may", right) for right in rights),
            ]
        )


@click.command()
@installation_options
def status(*, installation: Choice) -> None:
    """Show whether the installation serves, and what fails if it does not.

    \b
    Example:
      splitkeep status
    """
    with open_api(installation) as api:
        ready, said = api.ready()
        print_fields([("ready", "yes" if ready else "no"), ("server", said)])
    if not ready:
        raise CommandError("the installation is not ready", ExitCode.UNAVAILABLE)


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
@click.option("-n", "--lines", type=click.IntRange(0, 100_000), default=100, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="State directory of `splitkeep dev`.",
)
def logs(service: str, *, lines: int, follow: bool, state: Path | None) -> None:
    """Print the log of one service of `splitkeep dev`.

    \b
    Example:
      splitkeep logs gateway --lines 20
    """
    path = State(state or default_state(os.environ)).log(service)
    try:
        for line in _lines(path, lines, follow=follow):
            tell(line.rstrip("\n"), to=sys.stdout)
    except FileNotFoundError:
        raise CommandError(f"there is no log at {path}", ExitCode.NOT_FOUND) from None


@click.command()
@installation_options
def version(*, installation: Choice) -> None:
    """Print the version of this program and of the server.

    \b
    Example:
      splitkeep version
    """
    fields = [("splitkeep", release())]
    try:
        with open_api(installation) as api:
            fields.append(("server", str(api.version().get("gitVersion", "unknown"))))
    except CommandError as error:
        tell(f"splitkeep: {error}")
    print_fields(fields)


def _of(rule: dict[str, Any]) -> str:
    names = rule.get("resourceNames", ())
    return f" ({', '.join(names)})" if names else ""


def _lines(path: Path, count: int, *, follow: bool) -> Iterator[str]:
    """The last lines of the file; to follow, every new one too."""
    with path.open(errors="replace") as file:
        yield from deque(file, maxlen=count)
        while follow:
            line = file.readline()
            if line:
                yield line
            else:
                time.sleep(POLL_SECONDS)
