"""What a review asks, read from whatever was sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidArgumentError
from gateway.errors import BadRequestError
from gateway.reviews.questions import (
    LONGEST_ATTRIBUTE,
    MAGIC,
    PathQuestion,
    ResourceQuestion,
    namespace_from_binary,
    namespace_from_json,
    question_from_binary,
    question_from_json,
)
from protos.splitkeep.kubernetes.v1 import reviews_pb2

# The words of the two reviews, so that some trees come close.
WORDS = st.sampled_from(
    ["spec", "resourceAttributes", "nonResourceAttributes", "namespace", "verb", "path", "kind"]
)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(WORDS | st.text(), inner),
    max_leaves=20,
)
VERSION = "authorization.k8s.io/v1"


def enveloped(kind: str, raw: bytes) -> bytes:
    type_meta = reviews_pb2.TypeMeta(api_version=VERSION, kind=kind)
    return MAGIC + reviews_pb2.Unknown(type_meta=type_meta, raw=raw).SerializeToString()


@given(st.binary())
def test_any_bytes_are_a_question_or_refused(data: bytes) -> None:
    sent = [data, MAGIC + data, enveloped("SelfSubjectAccessReview", data)]
    for body in sent:
        try:
            question = question_from_binary(body)
        except (BadRequestError, InvalidArgumentError):
            continue
        assert isinstance(question, ResourceQuestion | PathQuestion)


@given(st.binary())
def test_any_bytes_are_a_namespace_or_refused(data: bytes) -> None:
    for body in (data, MAGIC + data, enveloped("SelfSubjectRulesReview", data)):
        try:
            namespace = namespace_from_binary(body)
        except (BadRequestError, InvalidArgumentError):
            continue
        assert 0 < len(namespace) <= LONGEST_ATTRIBUTE


@given(st.dictionaries(WORDS, TREES))
def test_any_tree_is_read_or_refused(tree: dict[str, object]) -> None:
    for read in (question_from_json, namespace_from_json):
        try:
            read(tree)
        except (BadRequestError, InvalidArgumentError):
            continue


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        ({"kind": "SelfSubjectRulesReview"}, "kind"),
        ({"apiVersion": "authorization.k8s.io/v2"}, "apiVersion"),
        ({"metadata": "a", "spec": {"resourceAttributes": {"verb": "get"}}}, "metadata"),
        ({"spec": {"resourceAttributes": {"verb": 1}}}, "spec.resourceAttributes.verb"),
    ],
)
def test_a_review_of_another_kind_is_refused_by_the_field(
    tree: dict[str, object], field: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        question_from_json(tree)

    assert refused.value.message.startswith(f"{field}: must be")


def test_both_forms_ask_the_same() -> None:
    attributes = {
        "namespace": "default",
        "verb": "get",
        "group": "secret.grafana.app",
        "version": "v1",
        "resource": "keepers",
        "subresource": "activate",
        "name": "aws",
    }
    spec = reviews_pb2.AccessReviewSpec(
        resource_attributes=reviews_pb2.ResourceAttributes(**attributes)
    )
    raw = reviews_pb2.SelfSubjectAccessReview(spec=spec).SerializeToString()

    in_binary = question_from_binary(enveloped("SelfSubjectAccessReview", raw))
    in_json = question_from_json({"spec": {"resourceAttributes": attributes}})

    assert in_binary == in_json == ResourceQuestion(**attributes)


def test_the_numbers_of_the_binary_form_are_kubernetes_own() -> None:
    """As client-go writes `kubectl auth can-i get pods/one`: bytes, and not our own encoder."""
    attributes = b"\n\x07default\x12\x03get\x1a\x00\x22\x00\x2a\x04pods\x32\x00\x3a\x03one"
    spec = b"\n" + bytes([len(attributes)]) + attributes
    review = b"\n\x02\n\x00\x12" + bytes([len(spec)]) + spec + b"\x1a\x04\x08\x00\x1a\x00"
    type_meta = b"\n\x17authorization.k8s.io/v1\x12\x17SelfSubjectAccessReview"
    body = b"\n" + bytes([len(type_meta)]) + type_meta + b"\x12" + bytes([len(review)]) + review

    question = question_from_binary(MAGIC + body + b"\x1a\x00\x22\x00")

    assert question == ResourceQuestion(
        namespace="default", verb="get", resource="pods", name="one"
    )
