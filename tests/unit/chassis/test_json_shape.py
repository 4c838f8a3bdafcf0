"""A JSON text reduced to a shape: what is not named is gone, what is doubtful is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.json_shape import LONGEST_TEXT, Members, Text, TextMap, Texts, reduced_to, texts_in

SHAPE = Members(
    {
        "kind": Text(values=frozenset({"A", "B"})),
        "name": Text(),
        "list": Texts(),
        "map": TextMap(without=frozenset({"inner"})),
        "object": Members({"name": Text()}),
    }
)
JSON_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    "text",
    [
        '{"kind":"A"}',
        ' { "kind" : "A" , "list" : [] } \n',
        '{"name":"\\u003c","kind":"B","map":{"a":"1"},"object":{"name":"n"},"list":["x"]}\n',
    ],
)
def test_a_text_of_the_shape_stays_byte_for_byte(text: str) -> None:
    assert reduced_to(text, SHAPE) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"kind":"A","value":"v"}\n', '{"kind":"A"}\n'),
        ('{"kind":"A","Name":"v","object":{"value":"v"}}', '{"kind":"A","object":{}}'),
        ('{"kind":"A","map":{"inner":"v","a":"ж"}}', '{"kind":"A","map":{"a":"ж"}}'),
        ('{"kind":"A","name":null,"object":null}', '{"kind":"A"}'),
        ('{"kind":"A","number":1e400}', '{"kind":"A"}'),
    ],
)
def test_members_that_the_shape_has_not_are_left_out(text: str, kept: str) -> None:
    assert reduced_to(text, SHAPE) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v",
        "[]",
        '"A"',
        "null",
        '{"kind":"A"',
        '{"kind":"A"}{}',
        "{'kind':'A'}",
        "kind: A",
        "{}",
        '{"kind":null}',
        '{"kind":"C"}',
        '{"kind":["A"]}',
        '{"kind":"A","kind":"A"}',
        '{"kind":"A","x":{"y":1,"y":2}}',
        '{"kind":"A","name":{"value":"v"}}',
        '{"kind":"A","name":1}',
        '{"kind":"A","list":"v"}',
        '{"kind":"A","list":["v",["v"]]}',
        '{"kind":"A","list":[null]}',
        '{"kind":"A","map":{"a":{"value":"v"}}}',
        '{"kind":"A","map":["v"]}',
        '{"kind":"A","object":"v"}',
        '{"kind":"A","x":NaN}',
        '{"kind":"A","x":-Infinity}',
        '{"kind":"A","name":"\\ud800"}',
        '{"kind":"A","map":{"\\udfff":"v"}}',
        '{"kind":"A","list":["\\ud800"]}',
        '{"kind":"A","name":"a\nb"}',
        '{"kind":"A","x":' + "9" * 5_000 + "}",
        '{"kind":"A","x":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"kind":"A","x":"' + "v" * LONGEST_TEXT + '"}',
        '\ufeff{"kind":"A"}',
        '{"kind":"A","name":"\ud800"}',
    ],
)
def test_what_is_not_clearly_of_the_shape_is_refused(text: str) -> None:
    assert reduced_to(text, SHAPE) is None


@given(st.dictionaries(st.sampled_from([*SHAPE.shapes, "value"]) | st.text(), JSON_VALUES))
def test_reducing_twice_is_reducing_once(tree: dict[str, Any]) -> None:
    once = reduced_to(json.dumps(tree | {"kind": "A"}), SHAPE)

    if once is not None:
        assert json.loads(once).keys() <= SHAPE.shapes.keys()
        assert reduced_to(once, SHAPE) == once


def test_every_text_inside_is_found_as_it_reads() -> None:
    text = '{"a\\u0062": ["c\\"d", {"e": 1, "f": "g\\nh"}], "i": null}'

    assert sorted(texts_in(text)) == ["ab", 'c"d', "e", "f", "g\nh", "i"]
    assert list(texts_in("no JSON")) == []
