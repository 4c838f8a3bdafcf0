"""Makes or renews .venv with the tools for tests and checks, and does nothing else."""

from argparse import ArgumentParser
from collections.abc import Mapping


def add_arguments(_parser: ArgumentParser, _environ: Mapping[str, str]) -> None:
    """It takes none."""
