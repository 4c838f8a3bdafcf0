"""What a caller asks about itself, read from JSON, YAML or Kubernetes' binary form.

kubectl sends the binary form: the bytes "k8s" and NUL, then a `runtime.Unknown` that holds the
object's own message (Kubernetes API concepts, "Protobuf encoding"). It is not answered in.
"""

from dataclasses import dataclass, fields
from typing import TypeAlias, TypeVar

from google.protobuf.message import DecodeError, Message

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from gateway.bodies.fields import Fields
from gateway.bodies.request_json import JsonObject
from gateway.discovery.groups import ACCESS_REVIEW, IDENTITY_REVIEW, RULES_REVIEW
from gateway.errors import BadRequestError
from gateway.kinds import Kind
from protos.splitkeep.kubernetes.v1 import reviews_pb2

MAGIC = b"k8s\0"
VERSION = "v1"
LONGEST_ATTRIBUTE = 1_024  # characters; no name, verb or path that means anything is longer

MessageT = TypeVar("MessageT", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceQuestion:
    """An action on resources; `*` is every verb, group or resource, no name is every name."""

    namespace: str = ""
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathQuestion:
    """A request for a path that is no resource."""

    path: str = ""
    verb: str = ""


Question: TypeAlias = ResourceQuestion | PathQuestion
QuestionT = TypeVar("QuestionT", ResourceQuestion, PathQuestion)


def question_from_json(tree: JsonObject) -> Question:
    """What a SelfSubjectAccessReview asks. Raises BadRequestError, InvalidArgumentError."""
    spec = _body(tree, ACCESS_REVIEW).child("spec")
    of_resource = spec.child("resourceAttributes")
    of_path = spec.child("nonResourceAttributes")
    _require_one(bool(of_resource.members), bool(of_path.members))
    if of_path.members:
        return _from_fields(PathQuestion, of_path)
    return _from_fields(ResourceQuestion, of_resource)


def question_from_binary(body: bytes) -> Question:
    """What a SelfSubjectAccessReview asks. Raises BadRequestError, InvalidArgumentError."""
    review = _message(body, reviews_pb2.SelfSubjectAccessReview, ACCESS_REVIEW)
    spec = review.spec
    of_path = spec.HasField("non_resource_attributes")
    _require_one(spec.HasField("resource_attributes"), of_path)
    if of_path:
        return _from_message(PathQuestion, spec.non_resource_attributes)
    return _from_message(ResourceQuestion, spec.resource_attributes)


def namespace_from_json(tree: JsonObject) -> str:
    """Whose rules a SelfSubjectRulesReview asks for. Raises as question_from_json does."""
    return _namespace(_body(tree, RULES_REVIEW).child("spec").text("namespace"))


def namespace_from_binary(body: bytes) -> str:
    """Whose rules a SelfSubjectRulesReview asks for. Raises as question_from_binary does."""
    review = _message(body, reviews_pb2.SelfSubjectRulesReview, RULES_REVIEW)
    return _namespace(review.spec.namespace)


def nothing_from_json(tree: JsonObject) -> None:
    """A SelfSubjectReview asks nothing more. Raises BadRequestError: it is something else."""
    _body(tree, IDENTITY_REVIEW)


def nothing_from_binary(body: bytes) -> None:
    """As nothing_from_json."""
    _message(body, reviews_pb2.SelfSubjectReview, IDENTITY_REVIEW)


def api_version(kind: Kind) -> str:
    """The `apiVersion` of a review of this kind."""
    return f"{kind.group}/{VERSION}"


def _namespace(namespace: str) -> str:
    if not namespace:
        raise _violation("spec.namespace", Rule.REQUIRED, "rules are per namespace")
    return _bounded(namespace)


def _body(tree: JsonObject, kind: Kind) -> Fields:
    body = Fields(tree)
    if body.text("kind") not in {"", kind.name}:
        raise BadRequestError(f"kind: must be {kind.name}")
    if body.text("apiVersion") not in {"", api_version(kind)}:
        raise BadRequestError(f"apiVersion: must be {api_version(kind)}")
    body.child("metadata")  # means nothing, and yet has a type
    return body


def _message(body: bytes, message: type[MessageT], kind: Kind) -> MessageT:
    """The object in its envelope. Raises BadRequestError."""
    envelope = _parsed(body.removeprefix(MAGIC), reviews_pb2.Unknown)
    compressed = envelope.content_encoding not in {"", "identity"}
    if not body.startswith(MAGIC) or compressed:
        raise _not_binary()
    expected = (api_version(kind), kind.name)
    if (envelope.type_meta.api_version, envelope.type_meta.kind) != expected:
        raise BadRequestError(f"the request body must be a {kind.name} of {expected[0]}")
    return _parsed(envelope.raw, message)


def _parsed(data: bytes, message: type[MessageT]) -> MessageT:
    try:
        return message.FromString(data)
    except DecodeError:
        pass  # raised below, so that no error holds the bytes
    raise _not_binary()


def _not_binary() -> BadRequestError:
    return BadRequestError("the request body is not in Kubernetes' binary form")


def _from_fields(kind: type[QuestionT], given: Fields) -> QuestionT:
    return kind(**{field.name: _bounded(given.text(field.name)) for field in fields(kind)})


def _from_message(kind: type[QuestionT], given: Message) -> QuestionT:
    return kind(**{field.name: _bounded(getattr(given, field.name)) for field in fields(kind)})


def _bounded(text: str) -> str:
    if len(text) > LONGEST_ATTRIBUTE:
        raise BadRequestError(f"an attribute must have at most {LONGEST_ATTRIBUTE} characters")
    return text


def _require_one(of_resource: bool, of_path: bool) -> None:  # noqa: FBT001  # a pair of equals
    if of_resource == of_path:
        message = "exactly one of resourceAttributes and nonResourceAttributes is required"
        rule = Rule.INVALID if of_path else Rule.REQUIRED
        raise _violation("spec.resourceAttributes", rule, message)


def _violation(path: str, rule: Rule, message: str) -> InvalidArgumentError:
    return InvalidArgumentError(violations=(FieldViolation(path, rule, message),))
