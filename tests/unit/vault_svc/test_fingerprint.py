"""A fingerprint is the same for the same create of the same caller, and for no other."""

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.caller import Principal
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import secure_value_pb2
from vault_svc.domain.draft import Draft, OwnerReference
from vault_svc.domain.envelope import EnvelopeError
from vault_svc.domain.fingerprint import (
    FingerprintKey,
    IdempotencyKey,
    canonical_create,
    key_violations,
)
from vault_svc.grpc_api.drafts import draft_from_proto
from vault_svc.metadata_client import _draft_to_proto

FOLDER = Path(__file__).parents[2] / "vectors" / "fingerprint"
VECTORS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
BY = Principal("https://a.example", "user:u1")
ASKED = IdempotencyKey(BY, "create-1")
DRAFT = Draft(namespace="team-a", name="db-password", labels={"a": "1", "b": "2"})
CHANGES: dict[str, Any] = {
    "namespace": "team-b",
    "name": "other",
    "generate_name": "sv-",
    "description": "another",
    "decrypters": ("k6-cloud",),
    "labels": {"a": "2", "b": "1"},
    "annotations": {"a": "1"},
    "ref": "arn:x",
    "owner_references": (OwnerReference(api_version="a/v1", kind="K", name="n"),),
}

texts = st.text(st.characters(codec="utf-8"), max_size=6)
pairs = st.dictionaries(texts, texts, max_size=3)
drafts = st.builds(
    Draft,
    namespace=texts,
    name=texts,
    generate_name=texts,
    description=texts,
    decrypters=st.lists(texts, max_size=3).map(tuple),
    labels=pairs,
    annotations=pairs,
    ref=texts,
    owner_references=st.lists(
        st.builds(OwnerReference, api_version=texts, kind=texts, name=texts), max_size=2
    ).map(tuple),
)
requests = st.tuples(
    st.builds(IdempotencyKey, by=st.builds(Principal, texts, texts), text=texts),
    drafts,
    st.binary(max_size=6),
)


def a_key(number: int = 1) -> FingerprintKey:
    return FingerprintKey.of("team-a", UUID(int=number), Sensitive(bytes([number] * 32)))


def canonical(
    asked_as: IdempotencyKey = ASKED, draft: Draft = DRAFT, value: bytes = b"v"
) -> bytes:
    return canonical_create(asked_as, draft, Sensitive(value), with_issuer=True).reveal()


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_the_bytes_are_those_of_an_independent_implementation(vector: dict[str, Any]) -> None:
    request = vector["request"]
    draft = Draft(
        namespace=request["namespace"],
        name=request["name"],
        generate_name=request["generateName"],
        description=request["description"],
        decrypters=tuple(request["decrypters"]),
        labels=request["labels"],
        annotations=request["annotations"],
        ref=request["ref"],
        owner_references=tuple(
            OwnerReference(api_version=o["apiVersion"], kind=o["kind"], name=o["name"])
            for o in request["owners"]
        ),
    )
    by = Principal(request["issuer"], request["subject"])
    asked_as = IdempotencyKey(by, request["idempotency key"])
    value = Sensitive(bytes.fromhex(request["value"]))
    key = FingerprintKey.of("team-a", UUID(int=1), Sensitive(bytes.fromhex(vector["key"])))

    canonical = canonical_create(
        asked_as, draft, value, with_issuer=vector["covers"] == "issuer and subject"
    )
    made = key.fingerprint(asked_as, draft, value)
    assert canonical.reveal().hex() == vector["canonical"]
    assert vector["fingerprint"] in (made.of_subject.hex(), made.of_principal.hex())


def test_the_generator_still_makes_these_files() -> None:
    generator = [sys.executable, str(FOLDER / "generate.py"), "--check"]

    assert subprocess.run(generator, check=False).returncode == 0
    assert len(VECTORS) >= 9


@given(requests, requests)
def test_no_two_requests_have_the_same_bytes(one: Any, other: Any) -> None:
    assert (canonical(*one) == canonical(*other)) == (one == other)


@given(drafts)
def test_the_order_of_labels_and_annotations_makes_no_difference(draft: Draft) -> None:
    turned = replace(
        draft,
        labels=dict(reversed(list(draft.labels.items()))),
        annotations=dict(reversed(list(draft.annotations.items()))),
    )

    assert canonical(draft=turned) == canonical(draft=draft)


@pytest.mark.parametrize("field", CHANGES)
def test_every_field_of_a_draft_counts(field: str) -> None:
    assert canonical(draft=replace(DRAFT, **{field: CHANGES[field]})) != canonical()


def test_every_field_but_the_field_manager_is_changed_above() -> None:
    assert {field.name for field in fields(Draft)} == {*CHANGES, "manager"}
    assert canonical(draft=replace(DRAFT, manager=b"terraform")) == canonical()


def test_every_field_of_metadatas_draft_is_read_and_sent_on() -> None:
    owner = secure_value_pb2.OwnerReference(api_version="a/v1", kind="K", name="n")
    draft = secure_value_pb2.SecureValueDraft(
        namespace="team-a",
        name="n",
        generate_name="g",
        description="d",
        decrypters=["y", "x"],
        labels={"a": "1"},
        annotations={"b": "2"},
        ref="r",
        owner_references=[owner],
    )
    draft.manager.name = "kubectl"
    draft.manager.applied.fields.append("spec.description")

    assert {field.name for field, _ in draft.ListFields()} == set(
        secure_value_pb2.SecureValueDraft.DESCRIPTOR.fields_by_name
    )
    assert _draft_to_proto(draft_from_proto(draft)) == draft


def test_an_empty_apply_is_still_an_apply() -> None:
    draft = secure_value_pb2.SecureValueDraft(namespace="team-a", name="n")
    draft.manager.applied.SetInParent()

    assert _draft_to_proto(draft_from_proto(draft)).manager.HasField("applied")


def test_what_kubectl_last_applied_goes_on_without_the_value_and_changes_no_fingerprint() -> (
    None
):
    """It repeats the whole object, the value included."""
    key = "kubectl.kubernetes.io/last-applied-configuration"
    applied = '{"kind":"SecureValue","spec":{"value":"v"}}'
    draft = secure_value_pb2.SecureValueDraft(annotations={key: applied, "kept": "1"})

    read = draft_from_proto(draft)

    assert read.annotations == {key: '{"kind":"SecureValue","spec":{}}', "kept": "1"}
    value = Sensitive(b"hunter2")
    requests = {
        canonical_create(ASKED, draft, value, with_issuer=True).reveal()
        for draft in (read, replace(read, annotations={"kept": "1"}))
    }
    assert len(requests) == 1


def test_another_caller_key_value_or_fingerprint_key_has_another_fingerprint() -> None:
    value, other_value = Sensitive(b"hunter2"), Sensitive(b"hunter3")
    other_subject, other_issuer = BY._replace(subject="u2"), BY._replace(issuer="b")
    fingerprints = [
        a_key().fingerprint(ASKED, DRAFT, value),
        a_key().fingerprint(IdempotencyKey(other_issuer, "create-1"), DRAFT, value),
        a_key().fingerprint(IdempotencyKey(other_subject, "create-1"), DRAFT, value),
        a_key().fingerprint(IdempotencyKey(BY, "create-2"), DRAFT, value),
        a_key().fingerprint(ASKED, DRAFT, other_value),
        a_key(2).fingerprint(ASKED, DRAFT, value),
    ]

    digests = {made.of_principal for made in fingerprints}
    assert {len(digest) for digest in digests} == {32}
    assert len(digests) == 6
    # What earlier releases compare does not tell issuers apart.
    assert len({made.of_subject for made in fingerprints}) == 5
    assert digests.isdisjoint(made.of_subject for made in fingerprints)


@pytest.mark.parametrize("size_bytes", [0, 16, 31, 33])
def test_a_fingerprint_key_has_32_bytes(size_bytes: int) -> None:
    with pytest.raises(EnvelopeError):
        FingerprintKey.of("team-a", UUID(int=1), Sensitive(bytes(size_bytes)))


def test_neither_key_nor_request_is_shown() -> None:
    shown = repr(a_key()) + repr(
        canonical_create(ASKED, DRAFT, Sensitive(b"hunter2"), with_issuer=True)
    )

    assert "hunter2" not in shown
    assert repr(bytes([1] * 32)) not in shown


@pytest.mark.parametrize("key", ["a", " ~", "x" * 255, '"8e03978e-40d5"'])
def test_a_key_of_1_to_255_printable_ascii_characters_is_taken(key: str) -> None:
    assert key_violations(key) == ()


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\n", "a\tb", "\x7f", "a\x00"])
def test_any_other_key_is_a_violation(key: str) -> None:
    assert [violation.field for violation in key_violations(key)] == ["Idempotency-Key"]
