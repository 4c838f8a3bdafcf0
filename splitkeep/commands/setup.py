"""Makes or renews .venv with the tools for tests and checks, and does nothing else."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping


def add_arguments(_parser: ArgumentParser, _environ: Mapping[str, str]) -> None:
    """It takes none."""


def run(_arguments: Namespace, _environ: Mapping[str, str]) -> int:
    """The environment was made on the way here."""
    return 0
