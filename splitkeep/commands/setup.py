"""`splitkeep setup`: see splitkeep.arguments.setup."""

from argparse import Namespace
from collections.abc import Mapping

from splitkeep.cli import fail
from splitkeep.environment import ROOT, is_clone


def run(_arguments: Namespace, _environ: Mapping[str, str]) -> int:
    """The environment was made on the way here."""
    if not is_clone(ROOT):
        return fail("an installed package has no .venv of its own: run this in a clone")
    return 0
