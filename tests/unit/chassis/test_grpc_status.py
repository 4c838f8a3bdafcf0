"""Errors survive the wire."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import (
    FieldViolation,
    InvalidArgumentError,
    KnownError,
    NotFoundError,
    Rule,
    UnavailableError,
)
from chassis.grpc_status import (
    DETAILS_KEY,
    ROWS,
    InternalError,
    from_rpc_error,
    from_status,
    to_status,
)
from chassis.postgres import AmbiguousCommitError

KINDS = sorted(KnownError.__subclasses__(), key=lambda kind: kind.__name__)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
VIOLATIONS = st.lists(
    st.builds(FieldViolation, TEXT, st.sampled_from(Rule), TEXT), max_size=30
).map(tuple)


def parts(error: object) -> tuple[object, ...]:
    violations = getattr(error, "violations", ())
    return type(error), getattr(error, "message", None), violations


@given(st.sampled_from(KINDS), TEXT)
def test_every_class_and_message_comes_back(kind: type[KnownError], message: str) -> None:
    error = kind(message)

    assert parts(from_status(to_status(error))) == parts(error)


@given(TEXT, VIOLATIONS)
def test_every_violation_comes_back(
    message: str, violations: tuple[FieldViolation, ...]
) -> None:
    error = InvalidArgumentError(message, violations=violations)

    assert parts(from_status(to_status(error))) == parts(error)


def test_a_message_joined_from_many_violations_comes_back_whole() -> None:
    violations = tuple(FieldViolation(f"f{n}", Rule.INVALID, "x" * 90) for n in range(64))
    error = InvalidArgumentError(violations=violations)

    assert parts(from_status(to_status(error))) == parts(error)


def test_every_known_error_has_a_row() -> None:
    assert {row.kind for row in ROWS} == set(KINDS)


def test_a_subclass_travels_as_its_class() -> None:
    assert type(from_status(to_status(AmbiguousCommitError()))) is UnavailableError


def test_a_status_is_bounded_whatever_the_error_holds() -> None:
    violations = tuple(FieldViolation("f" * 300, Rule.INVALID, "m" * 300) for _ in range(5000))
    error = InvalidArgumentError(violations=violations)

    assert to_status(error).ByteSize() < 36_000


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
def test_a_foreign_status_is_the_nearest_class(code: grpc.StatusCode) -> None:
    error = from_status(status_pb2.Status(code=code.value[0], message="no"))
    internal = {"UNKNOWN", "INTERNAL", "DATA_LOSS", "UNIMPLEMENTED", "OK"}

    assert isinstance(error, InternalError if code.name in internal else KnownError)


def test_an_internal_error_brings_no_text() -> None:
    error = from_status(status_pb2.Status(code=13, message="marker"))

    assert str(error) == ""


def test_a_reason_of_another_domain_is_not_ours() -> None:
    status = status_pb2.Status(code=5, message="no")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="UNAVAILABLE", domain="other"))

    assert type(from_status(status)) is NotFoundError


@pytest.mark.parametrize("kind", KINDS)
def test_a_release_that_names_another_domain_is_understood(kind: type[KnownError]) -> None:
    status, info = to_status(kind("told")), error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    info.domain = "chassis.errors"
    status.details[0].Pack(info)

    assert parts(from_status(status)) == parts(kind("told"))


def test_an_unknown_rule_is_an_invalid_one() -> None:
    status = to_status(InvalidArgumentError("m"))
    request = error_details_pb2.BadRequest()
    request.field_violations.add(field="f", reason="NEWER", description="d")
    status.details.add().Pack(request)

    error = from_status(status)

    assert isinstance(error, InvalidArgumentError)
    assert error.violations == (FieldViolation("f", Rule.INVALID, "d"),)


def rpc_error(code: grpc.StatusCode, details: bytes) -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata((DETAILS_KEY, details))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details="told")


@pytest.mark.parametrize("details", [b"", b"\xff\xff", b"\x0a\x05abc"], ids=repr)
def test_details_that_do_not_parse_are_passed_over(details: bytes) -> None:
    error = from_rpc_error(rpc_error(grpc.StatusCode.NOT_FOUND, details))

    assert parts(error) == (NotFoundError, "told", ())


def test_details_that_contradict_the_code_are_passed_over() -> None:
    details = to_status(UnavailableError()).SerializeToString()

    error = from_rpc_error(rpc_error(grpc.StatusCode.NOT_FOUND, details))

    assert type(error) is NotFoundError


@given(st.binary(max_size=200))
def test_no_bytes_of_a_peer_raise_anything(details: bytes) -> None:
    assert isinstance(from_rpc_error(rpc_error(grpc.StatusCode.ABORTED, details)), KnownError)
