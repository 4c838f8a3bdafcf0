"""Selectors: what Kubernetes' parser takes is taken, and nothing else."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequestError
from gateway.kinds import KEEPER, SECURE_VALUE, Kind
from gateway.selectors.labels import label_requirements
from gateway.selectors.selection import selector_from
from protos.splitkeep.metadata.v1.selector_pb2 import (
    FieldRequirement,
    LabelOperator,
    LabelRequirement,
    SelectedField,
    Selector,
)

IN, NOT_IN = LabelOperator.LABEL_OPERATOR_IN, LabelOperator.LABEL_OPERATOR_NOT_IN
EXISTS, MISSING = (
    LabelOperator.LABEL_OPERATOR_EXISTS,
    LabelOperator.LABEL_OPERATOR_DOES_NOT_EXIST,
)
ABOVE, BELOW = (
    LabelOperator.LABEL_OPERATOR_GREATER_THAN,
    LabelOperator.LABEL_OPERATOR_LESS_THAN,
)
NAME = SelectedField.SELECTED_FIELD_NAME
DECRYPTER = SelectedField.SELECTED_FIELD_DECRYPTER
KEPT_AT = SelectedField.SELECTED_FIELD_KEEPER

LABELS: dict[str, list[tuple[str, int, list[str]]]] = {
    "": [],
    " \t\r\n": [],
    "a=b": [("a", IN, ["b"])],
    "a==b": [("a", IN, ["b"])],
    "a = b": [("a", IN, ["b"])],
    "\ta\n==\rb ": [("a", IN, ["b"])],
    "a=": [("a", IN, [""])],
    "a=,b": [("a", IN, [""]), ("b", EXISTS, [])],
    "a!=": [("a", NOT_IN, [""])],
    "a!=b": [("a", NOT_IN, ["b"])],
    "a": [("a", EXISTS, [])],
    "!a": [("a", MISSING, [])],
    "! a": [("a", MISSING, [])],
    "a>1": [("a", ABOVE, ["1"])],
    "a < 007": [("a", BELOW, ["007"])],
    f"a>{2**63 - 1}": [("a", ABOVE, [str(2**63 - 1)])],
    "a in (b)": [("a", IN, ["b"])],
    "a in(c,b,c)": [("a", IN, ["b", "c"])],
    "a notin (b , c)": [("a", NOT_IN, ["b", "c"])],
    "a in (,)": [("a", IN, [""])],
    "a in (b,)": [("a", IN, ["", "b"])],
    "a in (,b)": [("a", IN, ["", "b"])],
    "a in (b,,c)": [("a", IN, ["", "b", "c"])],
    "in in (in,notin)": [("in", IN, ["in", "notin"])],
    "in": [("in", EXISTS, [])],
    "!notin": [("notin", MISSING, [])],
    "in=notin": [("in", IN, ["notin"])],
    "b=1,a=1": [("a", IN, ["1"]), ("b", IN, ["1"])],
    "a=1,a==1": [("a", IN, ["1"])],
    "a=1,a=2": [("a", IN, ["1"]), ("a", IN, ["2"])],
    "a,!a": [("a", EXISTS, []), ("a", MISSING, [])],
    "example.com/A_b.c=X-1_y.Z": [("example.com/A_b.c", IN, ["X-1_y.Z"])],
    f"{'k' * 63}={'v' * 63}": [("k" * 63, IN, ["v" * 63])],
    f"{'d' * 253}/k": [(f"{'d' * 253}/k", EXISTS, [])],
}

REFUSED_LABELS = [
    ",",
    ",a",
    "a,",
    "a,,b",
    "a b",
    "a=b c",
    "=b",
    "==",
    "!",
    "!!a",
    "!a=b",
    "!a in (b)",
    "a=!b",
    "a===b",
    "a=>1",
    "a>=1",
    "a<>1",
    "a in",
    "a in b",
    "a in ()",
    "a notin ()",
    "a in (",
    "a in (b",
    "a in (b c)",
    "a in (b)c",
    "a in (b=c)",
    "a in (!b)",
    "a in ((b))",
    "a (b)",
    "a)",
    "(a)",
    "a IN (b)",
    "a>",
    "a>b",
    "a>-1",
    "a>1.5",
    "a>1,",
    f"a>{2**63}",
    "a>\u0661",
    "a>1_0",
    "-a",
    "a-",
    "a/b/c",
    "/a",
    "a/",
    "A.com/b",
    "a..b/c",
    f"{'d' * 254}/k",
    f"{'k' * 64}",
    f"a={'v' * 64}",
    "a=-b",
    "a=b/c",
    "a=b:c",
    "caf\u00e9=b",
    "a=\u00e9",
    "a\x00",
    "a=b\x0bc",
    "a\u00a0=b",
    "a" * 8_193,
    ",".join(f"k{number}" for number in range(33)),
    f"a in ({','.join(f'v{number}' for number in range(65))})",
]


def selected(kind: Kind = SECURE_VALUE, *, labels: str = "", fields: str = "") -> Selector:
    return selector_from(
        label_selector=labels, field_selector=fields, kind=kind, namespace="default"
    )


@pytest.mark.parametrize("text", LABELS)
def test_a_label_selector_of_kubernetes_is_read_whole(text: str) -> None:
    read = [(r.key, r.operator, list(r.values)) for r in label_requirements(text)]

    assert read == LABELS[text]


@pytest.mark.parametrize("text", REFUSED_LABELS)
def test_what_kubernetes_refuses_as_a_label_selector_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        label_requirements(text)

    assert refused.value.message.startswith("labelSelector: ")


name = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
values = st.lists(name | st.just(""), min_size=1, max_size=4, unique=True).map(sorted)
space = st.sampled_from(["", " ", "\t", " \r\n "])
requirement = st.one_of(
    st.builds(LabelRequirement, key=name, operator=st.sampled_from([EXISTS, MISSING])),
    st.builds(
        LabelRequirement, key=name, operator=st.sampled_from([IN, NOT_IN]), values=values
    ),
    st.builds(
        LabelRequirement,
        key=name,
        operator=st.sampled_from([ABOVE, BELOW]),
        values=st.integers(0, 2**63 - 1).map(lambda number: [str(number)]),
    ),
)


@given(st.lists(requirement, max_size=6), st.data())
def test_what_is_written_as_a_selector_is_read_back(
    requirements: list[LabelRequirement], data: st.DataObject
) -> None:
    read = label_requirements(",".join(spelt(each, data) for each in requirements))

    assert ordered(read) == ordered(requirements)
    assert label_requirements(",".join(spelt(each, data) for each in reversed(read))) == read


def ordered(requirements: object) -> list[tuple[str, int, tuple[str, ...]]]:
    assert isinstance(requirements, list | tuple)
    return sorted({(r.key, r.operator, tuple(r.values)) for r in requirements})


SIGNS = {
    EXISTS: ("",),
    MISSING: ("!",),
    IN: ("=", "==", "in"),
    NOT_IN: ("!=", "notin"),
    ABOVE: (">",),
    BELOW: ("<",),
}


def spelt(asked: LabelRequirement, data: st.DataObject) -> str:
    """One of the ways to write it."""
    key, sign, *values = (
        f"{data.draw(space)}{word}{data.draw(space)}" for word in (asked.key, "", *asked.values)
    )
    signs = SIGNS[asked.operator]
    sign = data.draw(st.sampled_from([s for s in signs if len(values) < 2 or s[-1] != "="]))
    if sign == "!":
        return sign + key
    if sign in {"in", "notin"}:
        return f"{key} {sign}({','.join(values) if asked.values[0] or values[1:] else ','})"
    return key + sign + "".join(values)


@given(st.text(alphabet="ab1 ,=!<>()\\/-._\tin\u00e9\x00", max_size=40))
def test_no_text_makes_a_selector_fail_otherwise(text: str) -> None:
    for kind in (SECURE_VALUE, KEEPER):
        for labels, fields in ((text, ""), ("", text), ("", f"metadata.name={text}")):
            try:
                selected(kind, labels=labels, fields=fields)
            except BadRequestError as refused:
                assert "\x00" not in refused.message  # noqa: PT017  # one of two good ends


@pytest.mark.parametrize(
    "text",
    ["a" * 8_192, "a," * 4_096, "(" * 8_192, "a in (" + "b," * 4_000, "=" * 8_192, " " * 8_192],
    ids=["a key", "commas", "parentheses", "a set", "signs", "space"],
)
def test_the_longest_selector_is_read_in_no_time(text: str) -> None:
    started = time.perf_counter()
    for labels, fields in ((text, ""), ("", text)):
        try:
            selected(labels=labels, fields=fields)
        except BadRequestError:
            continue

    assert time.perf_counter() - started < 0.2


FIELDS: dict[str, list[tuple[int, bool, str]]] = {
    "": [],
    ",": [],
    "metadata.name=a": [(NAME, False, "a")],
    "metadata.name==a": [(NAME, False, "a")],
    "metadata.name!=a": [(NAME, True, "a")],
    "spec.decrypter=k6-cloud,": [(DECRYPTER, False, "k6-cloud")],
    "status.keeper=system,spec.decrypter!=b": [
        (DECRYPTER, True, "b"),
        (KEPT_AT, False, "system"),
    ],
    "status.keeper=": [(KEPT_AT, False, "")],
    r"spec.decrypter=a\,b\=c\\": [(DECRYPTER, False, "a,b=c\\")],
    "metadata.name=a,metadata.name=b": [(NAME, False, "a"), (NAME, False, "b")],
    "metadata.name=a,metadata.name==a": [(NAME, False, "a")],
    "metadata.namespace=default": [],
    "metadata.namespace!=other,metadata.name=a": [(NAME, False, "a")],
}


@pytest.mark.parametrize("text", FIELDS)
def test_a_field_selector_is_read_with_its_escapes(text: str) -> None:
    read = [(f.field, f.negated, f.value) for f in selected(fields=text).fields]

    assert read == FIELDS[text]


@pytest.mark.parametrize(
    "text",
    [
        "metadata.name",
        "=a",
        "metadata.uid=a",
        "spec.decrypters=a",
        "spec.description=a",
        " metadata.name=a",
        "metadata.name =a",
        "metadata.name=a=b",
        "metadata.name===a",
        r"metadata.name=a\b",
        "metadata.name=a\\",
        "metadata.name\\",
        "metadata.name>a",
        "metadata.name in (a)",
        "metadata.name=\0",
        f"metadata.name={'a' * 254}",
        ",".join(f"metadata.name!=a{number}" for number in range(33)),
        "metadata.name=" + "a" * 8_192,
    ],
)
def test_a_field_selector_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        selected(fields=text)

    assert refused.value.message.startswith("fieldSelector: ")


def test_an_unknown_field_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(BadRequestError, match=r"name, .*, spec\.decrypter, status\.keeper"):
        selected(fields="spec.nothing=a")
    with pytest.raises(BadRequestError, match=r"only metadata\.name, metadata\.namespace$"):
        selected(KEEPER, fields="spec.decrypter=a")


@pytest.mark.parametrize(
    "text", ["metadata.namespace=other", "metadata.namespace!=default,metadata.name=a"]
)
def test_another_namespace_selects_what_no_resource_can_be(text: str) -> None:
    fields = selected(labels="a=b", fields=text).fields

    assert all(field.field == NAME and not field.negated for field in fields)
    assert len({field.value for field in fields}) == 2


def test_equal_selectors_are_equal_however_they_are_spelt() -> None:
    one = selected(labels="b in (y,x), a", fields="status.keeper=k,metadata.name==n")
    other = selected(labels=" a,b in(x , y)", fields="metadata.name=n,status.keeper==k")

    assert one == other
    assert one.fields[0] == FieldRequirement(field=NAME, value="n")
