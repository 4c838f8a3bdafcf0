"""RFC 6902, by its own examples; and what of it is bounded or refused here."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bodies.request_json import parse_json
from gateway.bodies.request_tree import Document
from gateway.errors import BadRequestError, BodyTooLargeError, UnprocessableError
from gateway.patches.json_patch import (
    MAX_COPIED,
    MAX_OPERATIONS,
    JsonPatch,
    json_patch_from,
)

MARK = "never-quoted"
VALUE = (("spec", "value"),)

# RFC 6902, Appendix A: document, patch, result; None: the patch fails.
EXAMPLES: dict[str, tuple[Any, Any, Any]] = {
    "A.1 adding an object member": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux"}],
        {"baz": "qux", "foo": "bar"},
    ),
    "A.2 adding an array element": (
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
    ),
    "A.3 removing an object member": (
        {"baz": "qux", "foo": "bar"},
        [{"op": "remove", "path": "/baz"}],
        {"foo": "bar"},
    ),
    "A.4 removing an array element": (
        {"foo": ["bar", "qux", "baz"]},
        [{"op": "remove", "path": "/foo/1"}],
        {"foo": ["bar", "baz"]},
    ),
    "A.5 replacing a value": (
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
    ),
    "A.6 moving a value": (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    "A.7 moving an array element": (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    "A.8 testing a value: success": (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [
            {"op": "test", "path": "/baz", "value": "qux"},
            {"op": "test", "path": "/foo/1", "value": 2},
        ],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    "A.9 testing a value: error": (
        {"baz": "qux"},
        [{"op": "test", "path": "/baz", "value": "bar"}],
        None,
    ),
    "A.10 adding a nested member object": (
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    "A.11 ignoring unrecognized elements": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}],
        {"foo": "bar", "baz": "qux"},
    ),
    "A.12 adding to a nonexistent target": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz/bat", "value": "qux"}],
        None,
    ),
    "A.14 ~ escape ordering": (
        {"/": 9, "~1": 10},
        [{"op": "test", "path": "/~01", "value": 10}],
        {"/": 9, "~1": 10},
    ),
    "A.15 comparing strings and numbers": (
        {"/": 9, "~1": 10},
        [{"op": "test", "path": "/~01", "value": "10"}],
        None,
    ),
    "A.16 adding an array value": (
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
    ),
    "a true is no one": (
        {"a": True},
        [{"op": "test", "path": "/a", "value": 1}],
        None,
    ),
    "one is one point nought": (
        {"a": 1},
        [{"op": "test", "path": "/a", "value": 1.0}],
        {"a": 1},
    ),
    "a copy is one of its own": (
        {"a": {"b": 1}},
        [
            {"op": "copy", "from": "/a", "path": "/c"},
            {"op": "replace", "path": "/c/b", "value": 2},
        ],
        {"a": {"b": 1}, "c": {"b": 2}},
    ),
    "the whole document": ({"a": 1}, [{"op": "replace", "path": "", "value": []}], []),
    "a null that is there": ({}, [{"op": "add", "path": "/a", "value": None}], {"a": None}),
    "removing what is not there": ({"a": 1}, [{"op": "remove", "path": "/b"}], None),
    "replacing what is not there": (
        {"a": 1},
        [{"op": "replace", "path": "/b", "value": 1}],
        None,
    ),
    "adding beyond the end": ({"a": []}, [{"op": "add", "path": "/a/1", "value": 1}], None),
    "an index with a nought before it": (
        {"a": [1, 2]},
        [{"op": "remove", "path": "/a/01"}],
        None,
    ),
    "removing the document": ({"a": 1}, [{"op": "remove", "path": ""}], None),
    "moving into itself": (
        {"a": {"b": 1}},
        [{"op": "move", "from": "/a", "path": "/a/b"}],
        None,
    ),
    "a character of a text": ({"a": "b"}, [{"op": "remove", "path": "/a/0"}], None),
    "below a number": ({"a": 1}, [{"op": "add", "path": "/a/b", "value": 1}], None),
    "below a null": ({"a": None}, [{"op": "test", "path": "/a/b", "value": 1}], None),
}


def patch_of(operations: Any, unreadable: Any = ()) -> JsonPatch:
    return json_patch_from(Document(operations), unreadable=unreadable)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_standard(name: str) -> None:
    document, operations, result = copy.deepcopy(EXAMPLES[name])

    if result is None:
        with pytest.raises(UnprocessableError, match="operation 1 of the JSON patch"):
            patch_of(operations).applied_to(document)
    else:
        assert patch_of(operations).applied_to(document) == result


def test_of_a_member_given_twice_the_last_stands_as_in_any_object() -> None:
    """RFC 6902 A.13: the patch is invalid; here it is told of, as any repeated field is."""
    document = parse_json(b'[{"op": "add", "path": "/baz", "value": "qux", "op": "remove"}]')

    assert document.repeated == ("[0].op",)


@pytest.mark.parametrize(
    "operations",
    [
        {"op": "add", "path": "/a", "value": 1},
        "never-quoted",
        ["never-quoted"],
        [None],
        [{}],
        [{"op": "never-quoted", "path": "/a"}],
        [{"op": ["add"], "path": "/a", "value": 1}],
        [{"op": "add", "path": "/never-quoted"}],
        [{"op": "add", "value": 1}],
        [{"op": "copy", "path": "/a"}],
        [{"op": "add", "path": "never-quoted", "value": 1}],
        [{"op": "add", "path": "/never-quoted~2", "value": 1}],
        [{"op": "add", "path": "/a~", "value": 1}],
        [{"op": "add", "path": 5, "value": 1}],
        [{"op": "move", "path": "/a", "from": "never-quoted"}],
    ],
)
def test_what_is_no_patch_is_a_bad_request(operations: Any) -> None:
    with pytest.raises(BadRequestError) as refused:
        patch_of(operations)

    assert MARK not in refused.value.message


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/value", "value": "guess"},
        {"op": "test", "path": "/spec", "value": {"value": "guess"}},
        {"op": "test", "path": "", "value": {}},
        {"op": "copy", "from": "/spec/value", "path": "/metadata/annotations/a"},
        {"op": "copy", "from": "/spec", "path": "/metadata/annotations"},
        {"op": "copy", "from": "", "path": "/metadata/annotations/a"},
        {"op": "move", "from": "/spec/value", "path": "/metadata/labels/a"},
        {"op": "move", "from": "/spec", "path": "/metadata"},
        {"op": "test", "path": "/spec/value/0", "value": "g"},
        {"op": "copy", "from": "/spec/value/", "path": "/metadata/labels/a"},
    ],
)
def test_what_can_only_be_written_is_never_read(operation: dict[str, object]) -> None:
    write = {"op": "add", "path": "/spec/value", "value": MARK}

    with pytest.raises(UnprocessableError, match=r"operation 2 .* can only be written") as no:
        patch_of([write, operation], VALUE)

    assert MARK not in no.value.message


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/spec/value", "value": "new"},
        {"op": "test", "path": "/spec/description", "value": "d"},
        {"op": "copy", "from": "/spec/description", "path": "/metadata/labels/a"},
        {"op": "test", "path": "/specimen", "value": 1},
        {"op": "move", "from": "/metadata/labels/a", "path": "/spec/value"},
    ],
)
def test_it_can_be_written_and_the_rest_read(operation: dict[str, object]) -> None:
    patch_of([operation], VALUE)


def test_the_number_of_operations_is_bounded() -> None:
    operation = {"op": "add", "path": "/a", "value": 1}
    patch_of([operation] * MAX_OPERATIONS)

    with pytest.raises(BodyTooLargeError, match=str(MAX_OPERATIONS)):
        patch_of([operation] * (MAX_OPERATIONS + 1))


def test_copies_cannot_grow_without_bound() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"} for _ in range(MAX_OPERATIONS)]

    with pytest.raises(BodyTooLargeError, match="copies more"):
        patch_of(doubling).applied_to({"a": [1]})


def test_copies_of_a_long_text_count_its_length() -> None:
    text = "x" * (MAX_COPIED // 2)
    copies = [{"op": "copy", "from": "/a", "path": f"/b{n}"} for n in range(3)]

    with pytest.raises(BodyTooLargeError, match="copies more"):
        patch_of(copies).applied_to({"a": text})


@pytest.mark.parametrize(
    "last",
    [
        {"op": "test", "path": "/a", "value": {}},
        {"op": "copy", "from": "/a", "path": "/z"},
    ],
)
def test_what_moves_have_nested_too_deep_to_be_walked_does_not_fit(
    last: dict[str, Any],
) -> None:
    depth, times = 15, 200
    layer = json.loads('{"c":' * depth + "{}" + "}" * depth)
    inside = "/b" + "/c" * depth + "/d"
    operations = [
        {"op": "add", "path": "/a", "value": {}},
        *(
            operation
            for _ in range(times)
            for operation in (
                {"op": "add", "path": "/b", "value": copy.deepcopy(layer)},
                {"op": "move", "from": "/a", "path": inside},
                {"op": "move", "from": "/b", "path": "/a"},
            )
        ),
        last,
    ]

    with pytest.raises(UnprocessableError):
        json_patch_from(Document(operations), unreadable=VALUE).applied_to({})


def test_a_patch_does_not_print() -> None:
    assert MARK not in repr(patch_of([{"op": "add", "path": "/a", "value": MARK}]))


def test_a_failure_keeps_nothing_of_the_object() -> None:
    with pytest.raises(UnprocessableError) as failed:
        patch_of([{"op": "test", "path": "/a", "value": MARK}]).applied_to({"a": MARK + "!"})

    assert MARK not in failed.value.message
    assert failed.value.__context__ is None


pointers = st.sampled_from(["", "/", "/a", "/a/0", "/a/-", "/b", "/b/c", "/~0", "/~1", "/a/9"])
operations = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
            "path": pointers,
            "from": pointers,
            "value": st.sampled_from([None, 1, "x", [1], {"c": 2}]),
        }
    ),
    max_size=6,
)


@given(operations)
def test_any_patch_either_applies_or_does_not_fit(patch: list[dict[str, Any]]) -> None:
    document = {"a": [1, {"x": 2}], "b": {"c": "d"}, "~": 1, "/": 2}

    try:
        result = patch_of(patch).applied_to(document)
    except (UnprocessableError, BodyTooLargeError):
        return
    json.dumps(result)
