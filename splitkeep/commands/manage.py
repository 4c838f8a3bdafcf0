"""The commands of splitkeep.manage: see splitkeep.manage.app."""

import os
import sys
from argparse import Namespace
from collections.abc import Mapping

from splitkeep.manage.app import run as run_application


def run(arguments: Namespace, _environ: Mapping[str, str]) -> int:
    """See Command."""
    _replace_closed_streams()
    return run_application([arguments.command, *arguments.words])


def _replace_closed_streams() -> None:
    """A stream that the shell closed (`>&-`) reads as empty, and takes what nobody wants."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
