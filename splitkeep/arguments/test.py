"""Runs every test on two Postgres servers that are made for the run and removed after it.

Words after `test` go to pytest; without any, the tests run in as many processes as there are
processors. With SPLITKEEP_TEST_METADATA_DSN or SPLITKEEP_TEST_VAULT_DSN set (the DSN of an
administrator) that server is used instead. The exit code is pytest's.
"""

from argparse import ArgumentParser
from collections.abc import Mapping


def add_arguments(_parser: ArgumentParser, _environ: Mapping[str, str]) -> None:
    """All words go to pytest."""
