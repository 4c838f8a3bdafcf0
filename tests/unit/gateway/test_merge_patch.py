"""RFC 7396, by its own table and by what it says in general."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.patches.merge_patch import merged

# RFC 7396, Appendix A.
TABLE: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

scalars = st.booleans() | st.integers() | st.text(max_size=3)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=2), documents, max_size=4)


@pytest.mark.parametrize(("target", "patch", "result"), TABLE)
def test_the_table_of_the_standard(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


@given(objects, objects)
def test_both_stay_as_they_are_and_twice_is_once(
    target: dict[str, object], patch: dict[str, object]
) -> None:
    before = copy.deepcopy((target, patch))

    once = merged(target, patch)

    assert (target, patch) == before
    assert merged(once, patch) == once


@given(objects, objects)
def test_there_is_a_patch_from_any_object_to_any_other(
    target: dict[str, object], wanted: dict[str, object]
) -> None:
    assert merged(target, difference(target, wanted)) == wanted


def difference(target: Any, wanted: Any) -> Any:
    """The patch from one to the other, where no member is null."""
    if not isinstance(target, dict) or not isinstance(wanted, dict):
        return wanted
    gone: dict[str, Any] = dict.fromkeys(target.keys() - wanted.keys())
    return gone | {
        key: difference(target.get(key), value)
        for key, value in wanted.items()
        if key not in target or not same(target[key], value)
    }


def same(one: object, other: object) -> bool:
    return one == other and type(one) is type(other)
