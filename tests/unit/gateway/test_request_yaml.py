"""YAML that says what JSON says is read; what unfolds, points or guesses is refused."""

import contextlib
import json
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.bodies.fields import Fields
from gateway.bodies.request_json import JsonObject
from gateway.bodies.request_tree import MAX_DEPTH, NotText
from gateway.bodies.request_yaml import MAX_YAML_BYTES, MAX_YAML_NODES, parse_yaml
from gateway.errors import BadRequestError, BodyTooLargeError

MARK = "never-quoted"

texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(texts, values, max_size=5))
def test_what_a_yaml_writer_writes_is_read_back(document: JsonObject) -> None:
    text = yaml.dump(document, Dumper=NoAliases, allow_unicode=True)

    assert parse_yaml(text.encode()).tree == document


@settings(max_examples=50)
@given(st.dictionaries(texts, values, max_size=5))
def test_json_is_yaml(document: JsonObject) -> None:
    assert parse_yaml(json.dumps(document, ensure_ascii=False).encode()).tree == document
    assert parse_yaml(json.dumps(document).encode()).tree == document


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadRequestError):
        parse_yaml(body)


class NoAliases(yaml.CSafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


MANIFEST = b"""\
apiVersion: secret.grafana.app/v1beta1
kind: SecureValue
metadata:
  name: db-password
  labels: {team: platform}
spec:
  description: "Password: of the database"   # a comment
  value: |
    two
    lines
  decrypters:
  - k6-cloud
"""


def test_a_manifest_is_read_as_people_write_it() -> None:
    assert parse_yaml(MANIFEST).tree == {
        "apiVersion": "secret.grafana.app/v1beta1",
        "kind": "SecureValue",
        "metadata": {"name": "db-password", "labels": {"team": "platform"}},
        "spec": {
            "description": "Password: of the database",
            "value": "two\nlines\n",
            "decrypters": ["k6-cloud"],
        },
    }


@pytest.mark.parametrize(
    ("plain", "what"),
    [
        ("5", "a number"),
        ("-1.5", "a number"),
        ("0755", "a number"),
        ("0x1F", "a number"),
        ("1_000", "a number"),
        ("12:30", "a number"),
        ("1e3.5", ""),
        (".inf", "a number"),
        ("123456789012345678901234567890", "a number"),
        ("yes", "a boolean"),
        ("Off", "a boolean"),
        ("true", "a boolean"),
        ("2026-11-23", "a date"),
        ("2026-11-23T10:00:00Z", "a date"),
        ("[a]", "a list"),
        ("{a: b}", "an object"),
    ],
)
def test_what_yaml_reads_as_no_text_is_no_text_and_the_refusal_says_as_what(
    plain: str, what: str
) -> None:
    tree = parse_yaml(f"spec: {{value: {plain}}}".encode()).tree
    assert isinstance(tree, dict)
    spec = Fields(tree).child("spec")

    if not what:
        assert spec.text("value") == plain
        return
    with pytest.raises(BadRequestError) as refused:
        spec.text("value")
    assert refused.value.message == f"spec.value: must be a string, not {what}"


@pytest.mark.parametrize("plain", ["null", "~", "Null", ""])
def test_a_null_is_nothing(plain: str) -> None:
    assert parse_yaml(f"value: {plain}".encode()).tree == {"value": None}


@pytest.mark.parametrize("quoted", ["'5'", '"yes"', "'2026-11-23'", '"null"'])
def test_quotes_make_text(quoted: str) -> None:
    assert parse_yaml(f"value: {quoted}".encode()).tree == {"value": quoted[1:-1]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"a: &x never-quoted\nb: 1", "an anchor or alias"),
        (b"a: &x [1]\nb: *x", "an anchor or alias"),
        (b"b: *x", "an anchor or alias"),
        (b"a: !!python/object/apply:os.system [never-quoted]", "a YAML tag"),
        (b"a: !!str never-quoted", "a YAML tag"),
        (b"a: ! never-quoted", "a YAML tag"),
        (b"<<: {never-quoted: 1}", "a YAML merge key"),
        (b"a: 1\n---\nb: never-quoted", "more than one YAML document"),
        (b"a: 1\n---\n", "more than one YAML document"),
        (b"1: never-quoted", "a key that YAML does not read as text"),
        (b"yes: never-quoted", "a key that YAML does not read as text"),
        (b"? [never-quoted]\n: 1", "a key that YAML does not read as text"),
        (b"a: 'never-quoted", "is not valid YAML (line 1, column "),
        (b"a: b: never-quoted", "is not valid YAML (line 1, column "),
        (b"a: never-quoted\x07", "is not valid YAML"),
        (b"a: never-quoted\xff", "is not UTF-8"),
        ('a: "never-quoted"'.encode("utf-16"), "is not UTF-8"),
    ],
)
def test_a_refusal_names_the_rule_and_nothing_of_the_body(body: bytes, words: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_yaml(body)

    assert words.replace("an anchor", "a YAML anchor") in refused.value.message
    assert MARK not in refused.value.message
    assert refused.value.__context__ is None


def test_of_a_repeated_key_the_last_stands_and_its_path_is_told() -> None:
    document = parse_yaml(b"spec: {value: a, value: b}\nmetadata:\n  name: x\n  name: y\n")

    assert document.tree == {"spec": {"value": "b"}, "metadata": {"name": "y"}}
    assert document.repeated == ("spec.value", "metadata.name")


def test_nesting_is_bounded() -> None:
    parse_yaml(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    for opening in (b"[", b"- ", b"{a: ", b"? "):
        with pytest.raises(BadRequestError, match=f"deeper than {MAX_DEPTH}|not valid YAML"):
            parse_yaml(opening * 50_000)


def test_the_number_of_values_is_bounded() -> None:
    with pytest.raises(BadRequestError, match=str(MAX_YAML_NODES)):
        parse_yaml(b"- 1\n" * (MAX_YAML_NODES + 1))


def test_more_bytes_than_an_object_has_are_not_read() -> None:
    with pytest.raises(BodyTooLargeError):
        parse_yaml(b"a: " + b"b" * MAX_YAML_BYTES)


@pytest.mark.parametrize(
    "body",
    [
        b"&a [" * 10_000,
        b"a: " + b"1" * 200_000,
        b"a: " + b"1:" * 100_000,
        b"a: " + b"-" * 200_000,
        b"a: " + b"0_" * 100_000,
        b"'" * 200_000,
        b"%TAG ! tag:x:\n" * 10_000,
        b"".join(b"%%TAG !%x! a\n" % number for number in range(17_000)),
        b"#" * 200_000,
        b"a: |\n" + b" \n" * 100_000,
        b"? " * 100_000,
        b"{" * 200_000,
        b"a,\n" * 60_000,
        b'"\\u0061' * 30_000,
    ],
    ids=range(14),
)
def test_no_body_takes_long(body: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(BadRequestError):
        parse_yaml(body)

    assert time.process_time() - started < 2


@pytest.mark.parametrize("before", ["", "\ufeff", "# a\n", "# a\r", "# a\x85", "# a\u2028"])
def test_a_tag_directive_is_refused_wherever_a_line_begins(before: str) -> None:
    with pytest.raises(BadRequestError, match="tag directive"):
        parse_yaml(f"{before}%TAG !a! tag:x\n---\na: b".encode())


def test_what_only_contains_the_words_of_a_directive_is_read() -> None:
    assert parse_yaml(b"%YAML 1.1\n---\na: x %TAG y").tree == {"a": "x %TAG y"}


def test_an_empty_text_says_nothing() -> None:
    assert parse_yaml(b"# only a comment\n").tree is None


def test_what_is_no_text_does_not_say_what_it_was() -> None:
    document = parse_yaml(b"a: 2026-11-23")

    assert document.tree == {"a": NotText("a date")}
