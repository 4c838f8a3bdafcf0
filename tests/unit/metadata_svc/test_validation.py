"""The rules of a secure value's fields, and those of every object's metadata."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidArgumentError, Rule
from metadata_svc.domain.field_owners import FieldManager
from metadata_svc.domain.labels import PLAIN_LABELS
from metadata_svc.domain.resource import Operation, OwnerReference
from metadata_svc.domain.resource_rules import require_valid_address, stored_annotations
from metadata_svc.domain.validation import require_valid, violations
from tests.fakes.metadata_svc.builders import a_draft

LONGEST_NAME = ".".join(["a" * 63] * 3 + ["a" * 61])
MANY = {f"k{n}": "v" for n in range(10)}
OWNER = OwnerReference(api_version="apps/v1", kind="Pod", name="p")
UNGROUPED = OwnerReference(api_version="v1", kind="Pod", name="p")
OWNERS = "metadata.managedFields"

GOOD = {
    "an ordinary one": {},
    "the shortest name": {"name": "a"},
    "the longest name": {"name": LONGEST_NAME},
    "a name with dots and dashes": {"name": "0a.b-c.9"},
    "the longest description": {"description": "ж" * 253},
    "no decrypters": {"decrypters": ()},
    "64 decrypters": {"decrypters": tuple(f"d{n}" for n in range(64))},
    "a decrypter with every kind of character": {"decrypters": ("aZ0-_.9",)},
    "the longest decrypter": {"decrypters": ("a" * 63,)},
    "10 labels": {"labels": MANY},
    "10 labels beside the exempt one": {
        "labels": MANY | {"grafana-app-sdk-resource-version": "v1beta1"}
    },
    "the exempt label without a value": {"labels": {"grafana-app-sdk-resource-version": ""}},
    "annotations": {"annotations": {"Example.com/Note": "any text\n", "plain": ""}},
    "annotations of the largest size": {"annotations": {"k": "a" * (256 * 1024 - 1)}},
    "what the server sets is dropped": {
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "\x00" * 999_999}
    },
    "an empty folder is none": {"annotations": {"grafana.app/folder": ""}},
    "a namespace of a stack": {"namespace": "stacks-1"},
    "a namespace of an org": {"namespace": "org-10"},
    "a namespace that only looks reserved": {"namespace": "org-1x"},
    "a manager with the longest name": {"manager": FieldManager(name="ж" * 128)},
    "a manager that applies": {
        "manager": FieldManager(
            name="m", applied=frozenset({"spec.value", "metadata.labels[a]"})
        )
    },
    "an ignored generateName beside a name": {"generate_name": "\x00*"},
}

NAME = [("metadata.name", Rule.INVALID)]
NAMESPACE = [("metadata.namespace", Rule.INVALID)]
ANNOTATIONS = "metadata.annotations"
BAD: dict[str, tuple[dict[str, Any], list[tuple[str, Rule]]]] = {
    "a star as name": ({"name": "*"}, NAME),
    "a name with an empty part": ({"name": "a..b"}, NAME),
    "two dots": ({"name": ".."}, NAME),
    "an escape": ({"name": "%2e"}, NAME),
    "NUL in a name": ({"name": "a\x00b"}, NAME),
    "a name of 254": ({"name": "a" + LONGEST_NAME}, NAME),
    "capitals in a name": ({"name": "A"}, NAME),
    "a dash at a part's end": ({"name": "a-.b"}, NAME),
    "a new line after a name": ({"name": "a\n"}, NAME),
    "digits of another script": ({"name": "٣"}, NAME),
    "org-0": ({"namespace": "org-0"}, NAMESPACE),
    "org-1": ({"namespace": "org-1"}, NAMESPACE),
    "org-01, which is org 1": ({"namespace": "org-01"}, NAMESPACE),
    "stacks-0": ({"namespace": "stacks-0"}, NAMESPACE),
    "every namespace": ({"namespace": "*"}, NAMESPACE),
    "no namespace": ({"namespace": ""}, NAMESPACE),
    "a dot in a namespace": ({"namespace": "a.b"}, NAMESPACE),
    "a namespace of 64": ({"namespace": "a" * 64}, NAMESPACE),
    "no description": ({"description": ""}, [("spec.description", Rule.REQUIRED)]),
    "a description of 254": (
        {"description": "ж" * 254},
        [("spec.description", Rule.TOO_LONG)],
    ),
    "NUL in a description": ({"description": "a\x00"}, [("spec.description", Rule.INVALID)]),
    "a lone surrogate": ({"description": "a\ud800"}, [("spec.description", Rule.INVALID)]),
    "65 decrypters, whatever they are": (
        {"decrypters": ("",) * 65},
        [("spec.decrypters", Rule.TOO_MANY)],
    ),
    "blank, bad and repeated decrypters": (
        {"decrypters": ("a", " ", "b*", "a", "", "a" * 64)},
        [(f"spec.decrypters.[{n}]", Rule.INVALID) for n in (1, 2, 3, 4, 5)],
    ),
    "11 labels": ({"labels": MANY | {"k10": "v"}}, [("metadata.labels", Rule.TOO_MANY)]),
    "a bad label value, by its key": (
        {"labels": {"team": "a b"}},
        [("metadata.labels[team]", Rule.INVALID)],
    ),
    "an empty label value": (
        {"labels": {"team": ""}},
        [("metadata.labels[team]", Rule.INVALID)],
    ),
    "a bad label key, not by its key": (
        {"labels": {"a/b": "v"}},
        [("metadata.labels", Rule.INVALID)],
    ),
    "a label value of 64": (
        {"labels": {"team": "a" * 64}},
        [("metadata.labels[team]", Rule.INVALID)],
    ),
    "the exempt label with a bad value": (
        {"labels": {"grafana-app-sdk-resource-version": "a b"}},
        [("metadata.labels[grafana-app-sdk-resource-version]", Rule.INVALID)],
    ),
    "a folder": (
        {"annotations": {"grafana.app/folder": "f"}},
        [("metadata.annotations[grafana.app/folder]", Rule.FORBIDDEN)],
    ),
    "a bad annotation key": ({"annotations": {"a/b/c d": ""}}, [(ANNOTATIONS, Rule.INVALID)]),
    "an annotation key without a name": (
        {"annotations": {"example.com/": ""}},
        [(ANNOTATIONS, Rule.INVALID)],
    ),
    "NUL in an annotation": ({"annotations": {"a": "\x00"}}, [(ANNOTATIONS, Rule.INVALID)]),
    "a surrogate in an annotation": (
        {"annotations": {"a": "\udfff"}},
        [(ANNOTATIONS, Rule.INVALID)],
    ),
    "annotations one byte too large": (
        {"annotations": {"k": "a" * 256 * 1024}},
        [(ANNOTATIONS, Rule.TOO_LONG)],
    ),
    "a reference": ({"ref": "x"}, [("spec.ref", Rule.FORBIDDEN)]),
    "an owner": (
        {"owner_references": (OWNER,)},
        [("metadata.ownerReferences", Rule.FORBIDDEN)],
    ),
    "an owner of no group": (
        {"owner_references": (UNGROUPED,)},
        [("metadata.ownerReferences", Rule.INVALID)],
    ),
    "two owners, whatever they are": (
        {"owner_references": (OWNER, UNGROUPED)},
        [("metadata.ownerReferences", Rule.TOO_MANY)],
    ),
    "a manager's name of 129": (
        {"manager": FieldManager(name="m" * 129)},
        [("fieldManager", Rule.TOO_LONG)],
    ),
    "a manager's name that does not print": (
        {"manager": FieldManager(name="a\x00")},
        [("fieldManager", Rule.INVALID)],
    ),
    "an API version that does not print": (
        {"manager": FieldManager(name="m", api_version="\ud800")},
        [("apiVersion", Rule.INVALID)],
    ),
    "an endless API version": (
        {"manager": FieldManager(name="m", api_version="v" * 129)},
        [("apiVersion", Rule.TOO_LONG)],
    ),
    "nobody who applies": (
        {"manager": FieldManager(applied=frozenset())},
        [("fieldManager", Rule.REQUIRED)],
    ),
    "a field that nobody can own": (
        {"manager": FieldManager(name="m", applied=frozenset({"spec"}))},
        [(OWNERS, Rule.INVALID)],
    ),
    "an applied label whose key is told already": (
        {
            "labels": {"a b": "v"},
            "manager": FieldManager(name="m", applied=frozenset({"metadata.labels[a b]"})),
        },
        [("metadata.labels", Rule.INVALID)],
    ),
    "an applied annotation whose key is told already": (
        {
            "annotations": {"a b": "v"},
            "manager": FieldManager(name="m", applied=frozenset({"metadata.annotations[a b]"})),
        },
        [(ANNOTATIONS, Rule.INVALID)],
    ),
    "an applied label that is not there": (
        {"manager": FieldManager(name="m", applied=frozenset({"metadata.labels[a b]"}))},
        [(OWNERS, Rule.INVALID)],
    ),
    "more fields than are kept": (
        {"manager": FieldManager(name="m", applied=frozenset({"a" * 128 * 1024 + "b"}))},
        [(OWNERS, Rule.TOO_LONG)],
    ),
    "everything at once": (
        {
            "namespace": "org-1",
            "name": "*",
            "labels": {"team": "*"},
            "annotations": {"*": ""},
            "owner_references": (OWNER,),
            "description": "",
            "ref": "x",
            "decrypters": ("*",),
        },
        [
            ("metadata.namespace", Rule.INVALID),
            ("metadata.name", Rule.INVALID),
            ("metadata.labels[team]", Rule.INVALID),
            ("metadata.annotations", Rule.INVALID),
            ("metadata.ownerReferences", Rule.FORBIDDEN),
            ("spec.description", Rule.REQUIRED),
            ("spec.ref", Rule.FORBIDDEN),
            ("spec.decrypters.[0]", Rule.INVALID),
        ],
    ),
}


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_a_good_draft_is_taken(changes: dict[str, Any], operation: Operation) -> None:
    require_valid(a_draft(**changes), operation, PLAIN_LABELS)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize(("changes", "expected"), BAD.values(), ids=BAD)
def test_every_rule_a_draft_breaks_is_told(
    changes: dict[str, Any], expected: list[tuple[str, Rule]], operation: Operation
) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        require_valid(a_draft(**changes), operation, PLAIN_LABELS)

    assert [(v.field, v.rule) for v in error.value.violations] == expected


def test_a_create_needs_a_name_or_a_prefix() -> None:
    found = list(violations(a_draft(name=""), Operation.CREATE, PLAIN_LABELS))

    assert [(v.field, v.rule) for v in found] == [("metadata.name", Rule.REQUIRED)]


def test_an_update_needs_a_name() -> None:
    found = list(
        violations(a_draft(name="", generate_name="a-"), Operation.UPDATE, PLAIN_LABELS)
    )

    assert [(v.field, v.rule) for v in found] == [("metadata.name", Rule.REQUIRED)]


@pytest.mark.parametrize("prefix", ["a", "a-", "a.", "0", "a" * 300, "a-b.c-"])
def test_a_prefix_that_letters_complete_is_taken(prefix: str) -> None:
    require_valid(a_draft(name="", generate_name=prefix), Operation.CREATE, PLAIN_LABELS)


@pytest.mark.parametrize("prefix", ["-", ".", "A", "*", "a..", "a-.", "\x00", "a b"])
def test_a_prefix_that_never_becomes_a_name_is_refused(prefix: str) -> None:
    found = list(
        violations(a_draft(name="", generate_name=prefix), Operation.CREATE, PLAIN_LABELS)
    )

    assert [(v.field, v.rule) for v in found] == [("metadata.generateName", Rule.INVALID)]


def test_annotations_of_the_server_are_not_stored() -> None:
    kept = stored_annotations(
        {
            "grafana.app/createdBy": "x",
            "grafana.app/updatedBy": "x",
            "grafana.app/updatedTimestamp": "x",
            "kubectl.kubernetes.io/last-applied-configuration": "x",
            "grafana.app/folder": "",
            "grafana.app/managedBy": "terraform",
        }
    )

    assert kept == {"grafana.app/managedBy": "terraform"}


def test_an_address_names_both_of_its_faults() -> None:
    with pytest.raises(InvalidArgumentError) as error:
        require_valid_address("org-0", "*")

    fields = [v.field for v in error.value.violations]
    assert fields == ["metadata.namespace", "metadata.name"]


@given(st.text(alphabet=st.characters(), min_size=1), st.text(alphabet=st.characters()))
def test_no_message_quotes_what_was_sent(name: str, text: str) -> None:
    marker = "c4n4ry"
    draft = a_draft(
        namespace=f"*{marker}{name}",
        name=f"*{marker}{name}",
        description="",
        decrypters=(f"*{marker}{text}",),
        labels={f"*{marker}{text}": "v", "k": f"*{marker}{text}"},
        annotations={f"*{marker}{text}": text},
        ref=marker,
    )

    told = [f"{v.field} {v.message}" for v in violations(draft, Operation.CREATE, PLAIN_LABELS)]

    assert len(told) >= 7
    assert not any(marker in line for line in told)
