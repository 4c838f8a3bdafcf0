"""Documents as tables, as metadata alone, as JSON and as YAML."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rendering.ages import age
from gateway.rendering.forms import JSON, YAML, Form, Included, Shape
from gateway.rendering.shapes import list_shape, shaped
from gateway.rendering.texts import text_for

CREATED = datetime(2026, 2, 16, tzinfo=UTC)
NOW = CREATED + timedelta(days=3, hours=4)
TABLE = Form(shape=Shape.TABLE, now=NOW)
ALONE = Form(shape=Shape.METADATA, now=NOW)


def secure_value(name: str = "a") -> dict[str, Any]:
    return {
        "kind": "SecureValue",
        "apiVersion": "secret.grafana.app/v1beta1",
        "metadata": {
            "name": name,
            "resourceVersion": "7",
            "creationTimestamp": "2026-02-16T00:00:00Z",
        },
        "spec": {"description": "what for", "decrypters": ["k6-cloud", "other"]},
        "status": {"version": 2, "keeper": "system"},
    }


def keeper() -> dict[str, Any]:
    return {
        "kind": "Keeper",
        "apiVersion": "secret.grafana.app/v1",
        "metadata": {"name": "aws", "creationTimestamp": "2026-02-16T00:00:00Z"},
        "spec": {"description": "d", "aws": {"region": "eu-west-1"}},
        "status": {"active": False},
    }


def a_list(*items: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "SecureValueList",
        "apiVersion": "secret.grafana.app/v1beta1",
        "metadata": {"resourceVersion": "9", "continue": "token"},
        "items": list(items),
    }


@pytest.mark.parametrize(
    ("elapsed", "words"),
    [
        (timedelta(seconds=-2), "<invalid>"),
        (timedelta(seconds=-1.5), "0s"),
        (timedelta(0), "0s"),
        (timedelta(seconds=5.9), "5s"),
        (timedelta(seconds=119), "119s"),
        (timedelta(seconds=120), "2m"),
        (timedelta(seconds=200), "3m20s"),
        (timedelta(minutes=10), "10m"),
        (timedelta(minutes=179), "179m"),
        (timedelta(hours=3), "3h"),
        (timedelta(hours=7, minutes=59), "7h59m"),
        (timedelta(hours=8), "8h"),
        (timedelta(hours=47), "47h"),
        (timedelta(days=2), "2d"),
        (timedelta(days=3, hours=4), "3d4h"),
        (timedelta(days=8), "8d"),
        (timedelta(days=729), "729d"),
        (timedelta(days=730), "2y"),
        (timedelta(days=731), "2y1d"),
        (timedelta(days=365 * 8 + 9), "8y"),
    ],
)
def test_an_age_is_told_as_kubectl_tells_it(elapsed: timedelta, words: str) -> None:
    assert age("2026-02-16T00:00:00Z", CREATED + elapsed) == words


def test_an_age_without_a_time_is_unknown() -> None:
    assert age("", NOW) == "<unknown>"


def test_a_secure_value_has_the_columns_of_grafanas_api_and_an_age() -> None:
    table = shaped(secure_value(), TABLE)

    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert table["metadata"] == {"resourceVersion": "7"}
    columns: Any = table["columnDefinitions"]
    assert [(column["name"], column["priority"]) for column in columns] == [
        *(("Name", 0), ("Description", 0), ("Keeper", 0), ("Ref", 0), ("Decrypters", 0)),
        *(("Age", 0), ("Version", 1)),
    ]
    assert columns[0]["format"] == "name"
    assert all(column["description"] for column in columns)
    rows: Any = table["rows"]
    assert [row["cells"] for row in rows] == [
        ["a", "what for", "system", "<none>", "k6-cloud,other", "3d4h", 2]
    ]


def test_a_keeper_has_its_own_columns() -> None:
    table: Any = shaped(keeper(), TABLE)

    assert [column["name"] for column in table["columnDefinitions"]] == [
        *("Name", "Description", "Active", "Age", "Region")
    ]
    assert table["rows"][0]["cells"] == ["aws", "d", False, "3d4h", "eu-west-1"]


def test_what_a_caller_may_not_read_leaves_its_cells_empty() -> None:
    identity = {key: secure_value()[key] for key in ("kind", "apiVersion")}
    table: Any = shaped(identity | {"metadata": {"name": "a"}}, TABLE)

    (row,) = table["rows"]
    assert row["cells"] == [*("a", "<none>", "<none>", "<none>", "<none>", "<unknown>", None)]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_row_has_the_objects_metadata(version: str) -> None:
    form = Form(shape=Shape.TABLE, meta_version=version, now=NOW)
    table: Any = shaped(a_list(secure_value("a"), secure_value("b")), form)

    assert table["metadata"] == {"resourceVersion": "9", "continue": "token"}
    assert [row["object"] for row in table["rows"]] == [
        {
            "kind": "PartialObjectMetadata",
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": secure_value(name)["metadata"],
        }
        for name in ("a", "b")
    ]


def test_a_row_has_the_whole_object_or_none_of_it_if_asked() -> None:
    whole = Form(shape=Shape.TABLE, included=Included.OBJECT, now=NOW)
    none = Form(shape=Shape.TABLE, included=Included.NOTHING, now=NOW)
    of_whole: Any = shaped(secure_value(), whole)
    of_none: Any = shaped(secure_value(), none)

    assert of_whole["rows"][0]["object"] == secure_value()
    assert of_none["rows"][0]["object"] is None


def test_metadata_alone_is_all_that_is_left_of_an_object_or_a_list() -> None:
    alone = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}

    assert shaped(secure_value(), ALONE) == alone | {"metadata": secure_value()["metadata"]}
    assert shaped(a_list(secure_value()), ALONE) == {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "9", "continue": "token"},
        "items": [shaped(secure_value(), ALONE)],
    }


@pytest.mark.parametrize("form", [TABLE, ALONE])
@pytest.mark.parametrize("kind", ["Status", "APIResourceList", "SelfSubjectAccessReview"])
def test_what_is_no_object_of_ours_keeps_its_shape(form: Form, kind: str) -> None:
    document: dict[str, object] = {"kind": kind, "apiVersion": "v1", "metadata": {}}

    assert shaped(document, form) == document


texts = st.text(max_size=20)
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts, inner, max_size=3)
        | st.sampled_from(["1e3", "0o17", "y", "null", "2026-02-16", "a\nb", "- a", "~"])
    ),
    max_leaves=10,
)
documents = st.dictionaries(texts, trees, min_size=1, max_size=4)
FORMS = [Form(), Form(pretty=True), Form(media_type=YAML)]


def read(text: bytes, form: Form) -> Any:
    return json.loads(text) if form.media_type == JSON else yaml.safe_load(text)


@pytest.mark.parametrize("form", FORMS, ids=["json", "pretty", "yaml"])
@settings(max_examples=50)
@given(document=documents)
def test_what_is_written_is_read_back(form: Form, document: dict[str, object]) -> None:
    assert read(text_for(form).whole(document), form) == document


@pytest.mark.parametrize("form", FORMS, ids=["json", "pretty", "yaml"])
@settings(max_examples=50)
@given(head=documents, pages=st.lists(st.lists(documents, min_size=1, max_size=3), max_size=3))
def test_a_list_written_in_parts_is_the_list(
    form: Form, head: dict[str, object], pages: list[list[dict[str, object]]]
) -> None:
    head = {"kind": "SecureValueList", "metadata": head}
    text = text_for(form)
    written = text.opening(head, "items")
    for number, page in enumerate(pages):
        written += text.items(page, first=number == 0)
    written += text.closing(empty=not pages)

    items = [item for page in pages for item in page]
    assert read(written, form) == head | {"items": items}


@pytest.mark.parametrize("form", FORMS[:2], ids=["json", "pretty"])
def test_a_list_in_parts_is_written_as_it_is_at_once(form: Form) -> None:
    document = a_list(secure_value("a"), secure_value("b"))
    shape = list_shape({k: v for k, v in document.items() if k != "items"}, form)
    text = text_for(form)
    parts = [
        text.opening(shape.head, shape.member),
        text.items(document["items"][:1], first=True),
        text.items(document["items"][1:], first=False),
        text.closing(empty=False),
    ]

    assert b"".join(parts) == text.whole(document)


@pytest.mark.parametrize("text", ["1e3", "0x1F", "y", "N", ".5", "+1", "1_000", "~", "0o17"])
def test_yaml_quotes_what_another_reader_takes_for_no_string(text: str) -> None:
    assert text_for(FORMS[2]).whole({"a": text}) == f'a: "{text}"\n'.encode()


def test_pretty_json_is_indented_by_two() -> None:
    pretty = text_for(FORMS[1]).whole(secure_value())

    assert pretty == msgspec.json.format(msgspec.json.encode(secure_value()), indent=2) + b"\n"
    assert pretty.count(b"\n") > 10
