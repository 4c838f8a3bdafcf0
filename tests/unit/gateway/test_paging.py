"""Where a list goes on, and of which state it is."""

import base64
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidArgumentError
from gateway.errors import BadRequestError, ResourceVersionTooLargeError
from gateway.kinds import KEEPER, SECURE_VALUE, Target
from gateway.queries.ordering import Ordering, Place
from gateway.queries.paging import ListIdentity, Position, continue_token, position_from
from gateway.queries.query import query_from
from gateway.queries.resource_versions import (
    ListedState,
    WatchStart,
    check_exists,
    listed_state_from,
    resource_version_from,
    watch_start_from,
)
from gateway.selectors.selection import selector_from
from protos.splitkeep.metadata.v1.selector_pb2 import Selector

TARGET = Target(kind=SECURE_VALUE, version="v1", namespace="default")
LIST = ListIdentity(TARGET, Selector())
NAMES = st.from_regex(r"[a-z0-9.-]{1,253}", fullmatch=True)


def selector(labels: str, fields: str = "") -> Selector:
    return selector_from(
        label_selector=labels, field_selector=fields, kind=SECURE_VALUE, namespace="default"
    )


@given(st.integers(0, 2**63 - 1), NAMES, st.booleans())
def test_a_continue_token_leads_back_to_its_position(
    version: int,
    name: str,
    exact: bool,  # noqa: FBT001  # hypothesis gives it
) -> None:
    position = Position(resource_version=version, after=Place(name), exact=exact)

    assert position_from(continue_token(position, LIST), LIST) == position


@given(st.integers(-(10**15), 10**15), NAMES, st.sampled_from(["created", "modified"]))
def test_a_continue_token_of_a_list_by_time_has_the_time(
    microseconds: int, name: str, sort_by: str
) -> None:
    of = replace(LIST, ordering=Ordering("a", sort_by, descending=True))
    position = Position(7, Place(name, microseconds))

    assert position_from(continue_token(position, of), of) == position


def test_a_continue_token_of_the_release_before_is_read() -> None:
    position = Position(42, Place("pg-main"), exact=True)

    assert position_from("ImVszOb3wHnqHRJeWzQyLCJwZy1tYWluIix0cnVlXQ==", LIST) == position


@pytest.mark.parametrize(
    ("of", "place"),
    [
        (LIST, Place("a", 1)),
        (replace(LIST, ordering=Ordering("", "name", descending=True)), Place("a", 1)),
        (replace(LIST, ordering=Ordering("", "created")), Place("a")),
        (replace(LIST, ordering=Ordering("", "created")), Place("a", 10**18)),
    ],
)
def test_a_forged_token_has_a_time_only_where_a_list_has_one(
    of: ListIdentity, place: Place
) -> None:
    with pytest.raises(BadRequestError, match=r"^continue: "):
        position_from(continue_token(Position(1, place), of), of)


@pytest.mark.parametrize(
    "other",
    [
        ListIdentity(replace(TARGET, namespace="other"), Selector()),
        ListIdentity(replace(TARGET, version="v1beta1"), Selector()),
        ListIdentity(replace(TARGET, kind=KEEPER), Selector()),
        ListIdentity(TARGET, selector("a=1")),
        ListIdentity(TARGET, selector("", "metadata.name=a")),
        ListIdentity(TARGET, Selector(), Ordering("a")),
        ListIdentity(TARGET, Selector(), Ordering(descending=True)),
    ],
    ids=["namespace", "version", "kind", "labels", "fields", "search", "order"],
)
def test_a_continue_token_belongs_to_its_list(other: ListIdentity) -> None:
    token = continue_token(Position(1, Place("a")), LIST)

    with pytest.raises(BadRequestError, match=r"^continue: "):
        position_from(token, other)


def test_a_selector_in_other_words_is_the_same_list() -> None:
    one, other = (ListIdentity(TARGET, selector(text)) for text in ("a=1,b", "b, a in (1)"))

    assert position_from(continue_token(Position(1, Place("a")), one), other) == Position(
        1, Place("a")
    )


@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_other_text_is_no_continue_token(token: str) -> None:
    with pytest.raises(BadRequestError, match=r"^continue: "):
        position_from(token, LIST)


@pytest.mark.parametrize(
    "position",
    [
        Position(2**63, Place("a")),
        Position(-1, Place("a")),
        Position(1, Place("")),
        Position(1, Place("a\0")),
        Position(1, Place("A")),
        Position(1, Place("a" * 254)),
    ],
)
def test_a_forged_token_cannot_say_what_no_list_could(position: Position) -> None:
    """Its checksum is right: whoever reads the code can make one."""
    with pytest.raises(BadRequestError, match=r"^continue: "):
        position_from(continue_token(position, LIST), LIST)


@pytest.mark.parametrize("change", ["=", "\n", " ", "A"])
def test_a_token_with_anything_added_is_not_ours(change: str) -> None:
    with pytest.raises(BadRequestError, match=r"^continue: "):
        position_from(continue_token(Position(1, Place("a")), LIST) + change, LIST)


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("", ListedState()),
        ("resourceVersion=0", ListedState()),
        ("resourceVersion=0&limit=5", ListedState()),
        ("resourceVersion=0&resourceVersionMatch=NotOlderThan", ListedState()),
        ("resourceVersion=7", ListedState(not_older_than=7)),
        ("resourceVersion=7&resourceVersionMatch=NotOlderThan", ListedState(not_older_than=7)),
        (
            "resourceVersion=7&resourceVersionMatch=NotOlderThan&limit=1",
            ListedState(not_older_than=7),
        ),
        ("resourceVersion=7&limit=1", ListedState(exact=7)),
        ("resourceVersion=7&resourceVersionMatch=Exact", ListedState(exact=7)),
        ("continue=abc", ListedState()),
        ("continue=abc&resourceVersion=0", ListedState()),
    ],
)
def test_a_list_is_of_the_state_that_kubernetes_would_give(
    query: str, state: ListedState
) -> None:
    assert listed_state_from(query_from(query.encode())) == state


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("resourceVersionMatch=Exact", {"resourceVersionMatch"}),
        ("resourceVersionMatch=NotOlderThan", {"resourceVersionMatch"}),
        ("resourceVersion=1&resourceVersionMatch=exact", {"resourceVersionMatch"}),
        ("resourceVersion=0&resourceVersionMatch=Exact", {"resourceVersionMatch"}),
        ("resourceVersion=0&continue=a&resourceVersionMatch=NotOlderThan",
         {"resourceVersionMatch"}),
        ("sendInitialEvents=true", {"sendInitialEvents"}),
        ("sendInitialEvents=false", {"sendInitialEvents"}),
        ("sendInitialEvents=true&resourceVersionMatch=Exact",
         {"sendInitialEvents", "resourceVersionMatch"}),
    ],
)  # fmt: skip
def test_parameters_that_do_not_go_together_are_told_one_by_one(
    query: str, fields: set[str]
) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        listed_state_from(query_from(query.encode()))

    assert {violation.field for violation in refused.value.violations} == fields


@pytest.mark.parametrize("text", ["-1", "+1", "1.0", "a", "\u0661", str(2**63), "9" * 30, "1 "])
def test_what_is_no_resource_version_is_refused(text: str) -> None:
    query = query_from(urlencode({"resourceVersion": text}).encode())

    for read in (resource_version_from, listed_state_from, watch_start_from):
        with pytest.raises(BadRequestError, match=r"^resourceVersion: "):
            read(query)


def test_a_continued_list_has_its_version_from_the_token() -> None:
    with pytest.raises(BadRequestError, match=r"^resourceVersion: "):
        listed_state_from(query_from(b"resourceVersion=7&continue=abc"))


@pytest.mark.parametrize(
    ("query", "start"),
    [
        ("", WatchStart(initial=True)),
        ("resourceVersion=0", WatchStart(initial=True)),
        ("resourceVersion=7", WatchStart(initial=False, after=7)),
        (
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
            WatchStart(initial=True, tells_initial_end=True),
        ),
        (
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=7",
            WatchStart(initial=True, after=7, tells_initial_end=True),
        ),
        (
            "sendInitialEvents=false&resourceVersionMatch=NotOlderThan",
            WatchStart(initial=False),
        ),
        (
            "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=7",
            WatchStart(initial=False, after=7),
        ),
    ],
)
def test_a_watch_starts_where_kubernetes_would_start_it(query: str, start: WatchStart) -> None:
    assert watch_start_from(query_from(query.encode())) == start


@pytest.mark.parametrize(
    "query",
    [
        "sendInitialEvents=true",
        "sendInitialEvents=false&resourceVersion=7",
        "sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=7",
        "resourceVersionMatch=NotOlderThan&resourceVersion=7",
    ],
)
def test_initial_events_and_the_match_go_together(query: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        watch_start_from(query_from(query.encode()))

    assert [violation.field for violation in refused.value.violations] == [
        "resourceVersionMatch"
    ]


def test_a_version_that_does_not_exist_yet_is_too_large() -> None:
    check_exists(7, 7)
    with pytest.raises(ResourceVersionTooLargeError):
        check_exists(8, 7)
