"""Paths, queries, selectors, continue tokens, media types, credentials: one reading each."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import UnauthenticatedError
from gateway.credentials import MAX_TOKEN_BYTES, credential_of
from gateway.delete_options import delete_options_from
from gateway.errors import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError
from gateway.negotiation import check_accept, check_content
from gateway.paging import Position, continue_token, position_from
from gateway.paths import check_path
from gateway.query import MAX_PARAMETERS, dry_run, query_from
from gateway.selectors import Selection, selection_from


@pytest.mark.parametrize("path", [b"/", b"/version/", b"/a/b.c-d/%7Ee", b"/a;b/*", b"/%25"])
def test_a_path_with_one_reading_passes(path: bytes) -> None:
    check_path(path)


@pytest.mark.parametrize(
    "path",
    [b"", b"*", b"a/b", b"//", b"/a//b", b"/./a", b"/a/..", b"/%2E%2e/a", b"/a%2Fb", b"/a%5cb",
     b"/a\\b", b"/a%00", b"/%", b"/%4", b"/%zz", b"/%ff", b"/%c0%ae", b"/a%0d%0a"],
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
    with pytest.raises(BadRequestError, match="dryRun"):
        dry_run(values, field="dryRun")


def test_delete_is_dry_if_either_place_says_so() -> None:
    nothing, query = query_from(b""), query_from(b"dryRun=All")

    assert not delete_options_from({}, nothing).dry_run
    assert delete_options_from({"dryRun": ["All"]}, nothing).dry_run
    assert delete_options_from({}, query).dry_run


@pytest.mark.parametrize(
    ("selector", "labels"),
    [
        ("", ()),
        ("team=a", (("team", "a"),)),
        ("team==a", (("team", "a"),)),
        (" b = 2 , a=1 ", (("a", "1"), ("b", "2"))),
        ("a=1,a=1", (("a", "1"),)),
        ("a=", (("a", ""),)),
        ("app.kubernetes.io/name=x", (("app.kubernetes.io/name", "x"),)),
    ],
)
def test_label_equalities_are_read(selector: str, labels: tuple[tuple[str, str], ...]) -> None:
    assert selection_from(label_selector=selector, field_selector="") == Selection(labels)


@pytest.mark.parametrize(
    "selector",
    [
        "a",
        "!a",
        "a!=1",
        "a in (1)",
        "a notin (1)",
        "a=1,",
        ",",
        "a=1,a=2",
        "a=1=2",
        "a>1",
        "a===1",
    ],
)
def test_other_label_selectors_are_refused(selector: str) -> None:
    with pytest.raises(BadRequestError, match="labelSelector"):
        selection_from(label_selector=selector, field_selector="")


@pytest.mark.parametrize("selector", ["spec.decrypter=k6", "spec.decrypter==k6"])
def test_the_decrypter_is_read(selector: str) -> None:
    assert selection_from(label_selector="", field_selector=selector).decrypter == "k6"


@pytest.mark.parametrize(
    "selector",
    ["metadata.name=a", "spec.decrypters=a", "spec.decrypter!=a", "spec.decrypter=",
     "spec.decrypter", "spec.decrypter=a,spec.decrypter=b"],
)  # fmt: skip
def test_other_field_selectors_are_refused(selector: str) -> None:
    with pytest.raises(BadRequestError, match="fieldSelector"):
        selection_from(label_selector="", field_selector=selector)


@given(st.integers(0, 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_continue_token_leads_back_to_its_position(version: int, name: str) -> None:
    position = Position(resource_version=version, after_name=name)

    token = continue_token(position, namespace="default", selection=Selection())

    assert position_from(token, namespace="default", selection=Selection()) == position


@given(st.text())
def test_any_other_text_is_no_continue_token(token: str) -> None:
    with pytest.raises(BadRequestError, match="continue"):
        position_from(token, namespace="default", selection=Selection())


def test_a_continue_token_belongs_to_its_list() -> None:
    position = Position(resource_version=1, after_name="a")
    token = continue_token(position, namespace="default", selection=Selection())

    for namespace, selection in (
        ("other", Selection()),
        ("default", Selection(decrypter="k6")),
        ("default", Selection(labels=(("a", "1"),))),
    ):
        with pytest.raises(BadRequestError):
            position_from(token, namespace=namespace, selection=selection)


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/*", "application/json", "text/html, */*;q=0.1",
     "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
     "application/vnd.kubernetes.protobuf,application/json", "APPLICATION/JSON; q=0.5"],
)  # fmt: skip
def test_whoever_takes_json_is_answered(accept: str) -> None:
    check_accept([accept])


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/yaml", "application/json;q=0", "application/json;q=0.000",
     "application/json;as=Table;v=v1;g=meta.k8s.io", "nonsense", ";"],
)  # fmt: skip
def test_whoever_does_not_is_told(accept: str) -> None:
    with pytest.raises(NotAcceptableError):
        check_accept([accept])


@pytest.mark.parametrize("start", ["a", "a=", "", "spec.decrypter="])
def test_no_selector_takes_long_to_refuse(start: str) -> None:
    selector = start + " " * 60_000 + "!"
    begun = time.process_time()

    with pytest.raises(BadRequestError):
        selection_from(label_selector=selector, field_selector="")
    with pytest.raises(BadRequestError):
        selection_from(label_selector="", field_selector=selector)

    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize("text", ["a;" + '"' + ";" * 60_000, "a," * 30_000])
def test_media_types_beyond_the_bound_are_not_taken_apart(text: str) -> None:
    with pytest.raises(NotAcceptableError):
        check_accept(["application/json", text])
    with pytest.raises(UnsupportedMediaTypeError):
        check_content([text.replace("a", "application/json", 1)], [])


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_json_is_read(content_type: str) -> None:
    check_content([content_type], [])


@pytest.mark.parametrize(
    ("content_types", "content_encodings"),
    [
        (["text/plain"], []),
        ([""], []),
        (["application/json; charset=utf-16"], []),
        (["application/json; charset*0*=utf-8''utf-8"], []),
        (["application/json", "application/json"], []),
        ([], ["gzip"]),
        ([], ["identity", "br"]),
    ],
)
def test_nothing_else_is(content_types: list[str], content_encodings: list[str]) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        check_content(content_types, content_encodings)


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
