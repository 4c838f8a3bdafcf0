"""Which form an answer has: what the client likes best of what there is."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequestError, NotAcceptableError
from gateway.queries.query import query_from
from gateway.rendering.forms import (
    JSON,
    YAML,
    Asked,
    Form,
    Included,
    Shape,
    form_for,
    media_type_of_errors,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TABLE_V1 = "application/json;as=Table;v=v1;g=meta.k8s.io"
TABLE_V1BETA1 = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
KUBECTL_GET = f"{TABLE_V1},{TABLE_V1BETA1},application/json"
ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
MANY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
WHOLE, ALONE, TABLE = Shape.WHOLE, Shape.METADATA, Shape.TABLE


def form(*accepts: str, asked: Asked = Asked.LIST, query: str = "", gzip: str = "") -> Form:
    return form_for(
        asked,
        accepts=list(accepts),
        encodings=[gzip] if gzip else [],
        query=query_from(query.encode()),
        now=NOW,
    )


@pytest.mark.parametrize(
    ("accept", "asked", "media_type", "shape", "version"),
    [
        (KUBECTL_GET, Asked.LIST, JSON, TABLE, "v1"),
        (KUBECTL_GET, Asked.OBJECT, JSON, TABLE, "v1"),
        (KUBECTL_GET, Asked.WATCH, JSON, TABLE, "v1"),
        (f"{TABLE_V1BETA1},application/json", Asked.LIST, JSON, TABLE, "v1beta1"),
        (TABLE_V1.replace("v=v1", "v=v2") + ",application/json", Asked.LIST, JSON, WHOLE, "v1"),
        (TABLE_V1.replace("/json", "/yaml"), Asked.LIST, YAML, TABLE, "v1"),
        (f"application/vnd.kubernetes.protobuf;as=Table,{ONE}", Asked.LIST, JSON, ALONE, "v1"),
        (MANY, Asked.LIST, JSON, ALONE, "v1"),
        (ONE, Asked.OBJECT, JSON, ALONE, "v1"),
        (ONE, Asked.WATCH, JSON, ALONE, "v1"),
        ("application/json;as=Other;g=a;v=v1,*/*", Asked.LIST, JSON, WHOLE, "v1"),
        ("", Asked.LIST, JSON, WHOLE, "v1"),
        ("*/*", Asked.WATCH, JSON, WHOLE, "v1"),
        ("application/*", Asked.OBJECT, JSON, WHOLE, "v1"),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", Asked.LIST, JSON, WHOLE, "v1"),
        ("application/yaml", Asked.LIST, YAML, WHOLE, "v1"),
        ("Application/YAML ; charset=utf-8", Asked.LIST, YAML, WHOLE, "v1"),
        ("application/json;q=0.5,application/yaml", Asked.OBJECT, YAML, WHOLE, "v1"),
        ("application/yaml;q=0.5,application/json;q=0.8", Asked.OBJECT, JSON, WHOLE, "v1"),
        ("*/*,application/yaml", Asked.OBJECT, YAML, WHOLE, "v1"),
        ("application/json;q=0,*/*;as=x,application/yaml", Asked.OBJECT, YAML, WHOLE, "v1"),
        ("application/yaml,application/json;q=0.1", Asked.WATCH, JSON, WHOLE, "v1"),
        ("application/json;stream=watch", Asked.WATCH, JSON, WHOLE, "v1"),
    ],
)
def test_the_form_is_the_best_that_the_client_takes(
    accept: str, asked: Asked, media_type: str, shape: Shape, version: str
) -> None:
    chosen = form(accept, asked=asked)

    assert (chosen.media_type, chosen.shape) == (media_type, shape)
    assert chosen.meta_version == version


@pytest.mark.parametrize(
    ("accept", "asked"),
    [
        ("text/html", Asked.LIST),
        ("application/vnd.kubernetes.protobuf", Asked.LIST),
        ("application/json;q=0", Asked.OBJECT),
        ("application/json;as=Table;v=v1", Asked.LIST),
        ("application/json;as=Table;g=meta.k8s.io", Asked.LIST),
        ("application/json;as=Nothing;v=v1;g=meta.k8s.io", Asked.LIST),
        (MANY, Asked.OBJECT),
        (MANY, Asked.WATCH),
        ("application/yaml", Asked.WATCH),
        ("," * 2_049, Asked.LIST),
    ],
)
def test_a_client_that_takes_no_form_there_is_is_told_those_there_are(
    accept: str, asked: Asked
) -> None:
    with pytest.raises(NotAcceptableError):
        form(accept, asked=asked)


def test_several_accept_headers_are_one() -> None:
    assert form("text/html", "application/yaml").media_type == YAML


def test_a_table_includes_what_is_asked_and_metadata_without_being_asked() -> None:
    assert form(TABLE_V1).included is Included.METADATA
    assert form(TABLE_V1, query="includeObject=None").included is Included.NOTHING
    assert form(TABLE_V1, query="includeObject=Object").included is Included.OBJECT
    with pytest.raises(
        BadRequestError, match=r"^includeObject: must be None, Metadata, Object$"
    ):
        form(TABLE_V1, query="includeObject=All")
    assert form(JSON, query="includeObject=All").shape is WHOLE


def test_pretty_and_gzip_are_for_those_who_ask() -> None:
    assert not form(JSON).pretty
    assert not form(JSON, query="pretty=false").pretty
    assert form(JSON, query="pretty=true").pretty
    assert not form(JSON).compressible
    assert not form(JSON, gzip="gzip;q=0").compressible
    assert form(JSON, gzip="br, gzip").compressible
    assert not form(JSON, gzip="gzip", asked=Asked.WATCH).compressible


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", JSON),
        (KUBECTL_GET, JSON),
        ("application/yaml", YAML),
        (TABLE_V1.replace("/json", "/yaml"), YAML),
        ("application/yaml;q=0.1,*/*", JSON),
        ("text/html", JSON),
        ("," * 2_049, JSON),
    ],
)
def test_an_error_is_told_in_json_unless_yaml_is_preferred(
    accept: str, media_type: str
) -> None:
    assert media_type_of_errors([accept]) == media_type


@given(
    st.text(alphabet='aplictonjsy/*;,=q0.5 "\\\t\u00e9', max_size=60), st.sampled_from(Asked)
)
def test_no_header_makes_negotiation_fail_otherwise(accept: str, asked: Asked) -> None:
    try:
        chosen = form(accept, asked=asked)
    except NotAcceptableError:
        return

    assert chosen.media_type in {JSON, YAML}
