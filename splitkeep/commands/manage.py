"""The commands of splitkeep.manage: see splitkeep.manage.app."""

from argparse import Namespace
from collections.abc import Mapping

from splitkeep.manage.app import run as run_application


def run(arguments: Namespace, _environ: Mapping[str, str]) -> int:
    """See Command."""
    return run_application([arguments.command, *arguments.words])
