"""Paths, queries, media types of bodies, credentials: one reading each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from chassis.errors import InvalidArgumentError, UnauthenticatedError
from gateway.bodies.content_type import JSON, OBJECT_TYPES, YAML, content_type_of
from gateway.edge.credentials import MAX_TOKEN_BYTES, credential_of
from gateway.edge.paths import check_path
from gateway.errors import BadRequestError, UnsupportedMediaTypeError
from gateway.queries.delete_options import delete_options_from
from gateway.queries.query import MAX_PARAMETERS, dry_run, query_from


@pytest.mark.parametrize("path", [b"/", b"/version/", b"/a/b.c-d/%7Ee", b"/a:b/*", b"/%61"])
def test_a_path_with_one_reading_passes(path: bytes) -> None:
    check_path(path)


@pytest.mark.parametrize(
    "path",
    [b"", b"*", b"a/b", b"//", b"/a//b", b"/./a", b"/a/..", b"/%2E%2e/a", b"/a%2Fb", b"/a%5cb",
     b"/a\\b", b"/a%00", b"/%", b"/%4", b"/%zz", b"/%ff", b"/%c0%ae", b"/a%0d%0a",
     b"/a;b", b"/%3b", b"/%252e", b"/A", b"/%41", "/\uff41".encode(), b"/%ef%bd%81",
     b"/%d0%b0", b"/a%20"],
)  # fmt: skip
def test_a_path_with_two_readings_is_refused(path: bytes) -> None:
    with pytest.raises(BadRequestError):
        check_path(path)


@given(st.binary())
def test_any_path_is_passed_or_refused(path: bytes) -> None:
    try:
        check_path(path)
    except BadRequestError:
        return
    assert path.startswith(b"/")


@given(st.binary())
def test_any_query_is_read_or_refused(raw: bytes) -> None:
    try:
        query = query_from(raw)
    except BadRequestError:
        return
    assert len(query.parameters) <= MAX_PARAMETERS


@pytest.mark.parametrize(
    ("raw", "on"), [(b"", False), (b"watch", True), (b"watch=", True), (b"watch=1", True),
                    (b"watch=true", True), (b"watch=0", False), (b"watch=false", False)]
)  # fmt: skip
def test_a_flag_is_read_as_kubernetes_reads_it(raw: bytes, *, on: bool) -> None:
    assert query_from(raw).flag("watch") is on


def test_what_decides_is_given_once() -> None:
    query = query_from(b"limit=1&limit=2")

    with pytest.raises(BadRequestError, match="limit: must be given once"):
        query.count("limit")


@pytest.mark.parametrize("values", [("all",), ("",), ("All", "None")])
def test_only_a_dry_run_of_everything_is_known(values: tuple[str, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match="dryRun"):
        dry_run(values, field="dryRun")


def test_delete_is_dry_if_either_place_says_so() -> None:
    nothing, query = query_from(b""), query_from(b"dryRun=All")

    assert not delete_options_from({}, nothing).dry_run
    assert delete_options_from({"dryRun": ["All"]}, nothing).dry_run
    assert delete_options_from({}, query).dry_run


def content_type(content_types: list[str], content_encodings: list[str]) -> str:
    raw = [(b"content-type", text.encode()) for text in content_types]
    raw += [(b"content-encoding", text.encode()) for text in content_encodings]
    return content_type_of(Headers(raw=raw), OBJECT_TYPES, default=JSON)


@pytest.mark.parametrize(
    ("declared", "read_as"),
    [
        ([], JSON),
        (["application/json"], JSON),
        (["application/json; charset=utf-8"], JSON),
        (["Application/JSON"], JSON),
        (["application/yaml"], YAML),
    ],
)
def test_json_and_yaml_are_read(declared: list[str], read_as: str) -> None:
    assert content_type(declared, []) == read_as


@pytest.mark.parametrize(
    ("content_types", "content_encodings"),
    [
        (["text/plain"], []),
        ([""], []),
        (["application/json; charset=utf-16"], []),
        (["application/json; charset*0*=utf-8''utf-8"], []),
        (["application/json", "application/json"], []),
        (["application/json;" + '"' + ";" * 60_000], []),
        ([], ["gzip"]),
        ([], ["identity", "br"]),
    ],
)
def test_nothing_else_is(content_types: list[str], content_encodings: list[str]) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        content_type(content_types, content_encodings)


def test_the_one_credential_is_found() -> None:
    assert credential_of([(b"authorization", b"Bearer abc")]).reveal() == "abc"
    assert credential_of([(b"x-access-token", b"abc")]).reveal() == "abc"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Basic abc")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")],
        [(b"authorization", b"Bearer a"), (b"x-access-token", b"a")],
        [(b"x-access-token", b"\xe9")],
        [(b"x-access-token", b"a\tb")],
        [(b"x-access-token", b"a" * (MAX_TOKEN_BYTES + 1))],
    ],
)
def test_anything_else_is_unauthenticated(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(UnauthenticatedError):
        credential_of(headers)
