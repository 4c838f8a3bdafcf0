"""A value that does not print, pickle, copy or serialise."""

import copy
import json
import pickle

import msgspec
import pytest

from chassis.connections import has_several_hosts
from chassis.sensitive import REDACTED, Sensitive

MARKER = "marker-of-a-secret"


def test_reveal_is_the_way_out() -> None:
    assert Sensitive(MARKER).reveal() == MARKER


def test_every_rendering_is_redacted() -> None:
    value = Sensitive(MARKER)

    assert {str(value), repr(value), f"{value}", f"{value:>3}", "%s" % value} == {REDACTED}  # noqa: UP031  # every way
    assert repr([value]) == f"[{REDACTED}]"


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_it_leaves_the_process_in_no_other_way(leave: object) -> None:
    assert callable(leave)
    with pytest.raises(TypeError):
        leave(Sensitive(MARKER))


def test_no_json_encoder_knows_it() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode({"value": Sensitive(MARKER)})


def test_it_is_neither_compared_nor_hashed_nor_measured() -> None:
    value = Sensitive(MARKER)

    with pytest.raises(TypeError):
        value == value  # noqa: B015, PLR0124  # the comparison itself is the test
    with pytest.raises(TypeError):
        hash(value)
    with pytest.raises(TypeError):
        len(value)  # type: ignore[arg-type]  # it has no length on purpose


@pytest.mark.parametrize(
    ("dsn", "several"),
    [
        ("postgresql://u:p@a:5432/db", False),
        ("postgresql://u:p@a:5432,b:5432/db", True),
        ("postgresql://u:p%2C@a/db", False),
        ("postgresql://u:a,b@a/db", False),
        ("postgresql:///db?host=a,b", True),
        ("postgresql:///db?host=/run/postgres", False),
    ],
)
def test_several_hosts_are_seen_in_a_dsn(dsn: str, *, several: bool) -> None:
    assert has_several_hosts(Sensitive(dsn)) is several
