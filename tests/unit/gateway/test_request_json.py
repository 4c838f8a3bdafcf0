"""What is one JSON object beyond doubt is read; all else is refused without a quotation."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bodies.field_paths import LONGEST_SHOWN
from gateway.bodies.request_json import JsonObject, parse_json
from gateway.bodies.request_tree import MAX_DEPTH, MAX_REPETITIONS, MAX_VALUES
from gateway.errors import BadRequestError

MARK = "never-quoted"

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(texts, values, max_size=5))
def test_every_object_that_json_can_say_is_read_as_it_is(document: JsonObject) -> None:
    assert parse_json(json.dumps(document).encode()).tree == document
    assert parse_json(json.dumps(document, ensure_ascii=False).encode()).tree == document


@given(st.binary())
def test_arbitrary_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        document = parse_json(body).tree
    except BadRequestError:
        return
    assert document == json.loads(body)


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


def test_nesting_is_bounded() -> None:
    parse_json(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 900, 10_000, 100_000):
        with pytest.raises(BadRequestError, match=f"deeper than {MAX_DEPTH}"):
            parse_json(nested(depth))


def test_the_number_of_values_is_bounded() -> None:
    with pytest.raises(BadRequestError, match=str(MAX_VALUES)):
        parse_json(b'{"a": [' + b"0," * MAX_VALUES + b"0]}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a": NaN}', "a number that JSON does not have"),
        (b'{"a": -Infinity}', "a number that JSON does not have"),
        (b'{"a": 1e400}', "a number that is out of range"),
        (b'{"a": ' + b"1" * 5_000 + b"}", "a number that is out of range"),
        (b'{"a": "\\ud800never-quoted"}', "a lone surrogate"),
        (b'{"\\udc00": 1}', "a lone surrogate"),
        (b'{"a": "never-quoted\xff"}', "is not UTF-8"),
        (b'{"a": "never-quoted', "is not valid JSON (line 1, column 7)"),
        (b'\xef\xbb\xbf{"a": 1}', "is not valid JSON"),
        (b'{"a": 1} {"never-quoted": 1}', "is not valid JSON"),
    ],
)
def test_a_refusal_names_the_rule_and_nothing_of_the_body(body: bytes, words: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_json(body)

    assert words in refused.value.message
    assert MARK not in refused.value.message
    assert refused.value.__context__ is None


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_json(b'{"a": "\\ud83d\\ude00"}').tree == {"a": "\U0001f600"}


def test_of_a_repeated_key_the_last_stands_and_its_path_is_told() -> None:
    document = parse_json(b'{"a": 1, "b": [{"c": 1, "c": 2, "c": 3}], "a": {"d": 4}}')

    assert document.tree == {"a": {"d": 4}, "b": [{"c": 3}]}
    assert document.repeated == ("a", "b[0].c")


def test_a_path_is_no_longer_than_is_shown_however_long_its_keys() -> None:
    key, inner = "k" * 10_000, '{"a": 1, "a": 2, "bb": {"c": 1, "c": 2}}'

    document = parse_json(f'{{"{key}": {{"{key}": [{inner}]}}}}'.encode())

    assert len(document.repeated) == 2
    assert max(map(len, document.repeated)) < LONGEST_SHOWN + 10


def test_no_more_repetitions_are_told_than_anyone_reads() -> None:
    members = b",".join(b'"k%d": 1, "k%d": 2' % (n, n) for n in range(MAX_REPETITIONS + 1))

    assert len(parse_json(b"{" + members + b"}").repeated) == MAX_REPETITIONS


def test_a_document_does_not_print() -> None:
    assert MARK not in repr(parse_json(b'{"never-quoted": 1, "never-quoted": 2}'))
