"""The rules of a secure value's fields: every violation at once, under its REST path.

- A message names the rule, never what was sent. A path names a label's key only once the key
  has passed its own rule.
- Whole-object validation runs on create and on update alike.
"""

from collections.abc import Iterator, Mapping

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.generated_name import is_prefix
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.secure_value import Draft
from metadata_svc.domain.text import (
    is_label,
    is_name,
    is_namespace,
    is_qualified_name,
    is_storable,
)

MAX_DESCRIPTION_LENGTH = 253  # code points
MAX_DECRYPTERS = 64
MAX_LABELS = 10
MAX_ANNOTATIONS_BYTES = 256 * 1024  # keys and values together, as Kubernetes counts them

# Clients built on Grafana's app SDK set it on every write; it is not the user's.
EXEMPT_LABEL = "grafana-app-sdk-resource-version"
FOLDER_ANNOTATION = "grafana.app/folder"
SERVER_ANNOTATIONS = frozenset(
    {
        "grafana.app/createdBy",
        "grafana.app/updatedBy",
        "grafana.app/updatedTimestamp",
        "kubectl.kubernetes.io/last-applied-configuration",
    }
)

_NAME_RULE = (
    "must be 1 to 253 lower-case letters, digits, '-' or '.', "
    "with a letter or digit at both ends of every part between dots"
)
_NAMESPACE_RULE = (
    "must be 1 to 63 lower-case letters, digits or '-', with a letter or digit at both ends; "
    "org-0, org-1 and stacks-0 are reserved"
)
_LABEL_RULE = (
    "must be 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends"
)
_STORABLE_RULE = "must not contain NUL or a lone surrogate"
_NOT_SUPPORTED = "is not supported yet"


def stored_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """Those that are the caller's: what the server sets, and an empty folder, are dropped."""
    return {
        key: value
        for key, value in annotations.items()
        if key not in SERVER_ANNOTATIONS and not (key == FOLDER_ANNOTATION and not value)
    }


def require_valid(draft: Draft, operation: Operation) -> None:
    """Raise InvalidArgumentError with every violation of the draft, if there is one."""
    _raise_if_any(tuple(violations(draft, operation)))


def require_valid_address(namespace: str, name: str) -> None:
    """Raise InvalidArgumentError unless both could belong to a secure value."""
    _raise_if_any((*_namespace_violations(namespace), *_name_violations(name)))


def require_valid_namespace(namespace: str) -> None:
    """Raise InvalidArgumentError unless there could be such a namespace."""
    _raise_if_any(tuple(_namespace_violations(namespace)))


def violations(draft: Draft, operation: Operation) -> Iterator[FieldViolation]:
    """Every rule that the draft breaks, in the order of its fields."""
    yield from _namespace_violations(draft.namespace)
    if operation is Operation.CREATE and not draft.name:
        yield from _prefix_violations(draft.generate_name)
    else:
        yield from _name_violations(draft.name)
    yield from _label_violations(draft.labels)
    yield from _annotation_violations(stored_annotations(draft.annotations))
    if draft.owner_references:
        yield FieldViolation("metadata.ownerReferences", Rule.FORBIDDEN, _NOT_SUPPORTED)
    yield from _description_violations(draft.description)
    if draft.ref:
        yield FieldViolation("spec.ref", Rule.FORBIDDEN, _NOT_SUPPORTED)
    yield from _decrypter_violations(draft.decrypters)


def _raise_if_any(found: tuple[FieldViolation, ...]) -> None:
    if found:
        raise InvalidArgumentError(violations=found)


def _namespace_violations(namespace: str) -> Iterator[FieldViolation]:
    if not is_namespace(namespace):
        yield FieldViolation("metadata.namespace", Rule.INVALID, _NAMESPACE_RULE)


def _name_violations(name: str) -> Iterator[FieldViolation]:
    if not name:
        yield FieldViolation("metadata.name", Rule.REQUIRED, "name is required")
    elif not is_name(name):
        yield FieldViolation("metadata.name", Rule.INVALID, _NAME_RULE)


def _prefix_violations(prefix: str) -> Iterator[FieldViolation]:
    if not prefix:
        yield FieldViolation("metadata.name", Rule.REQUIRED, "name or generateName is required")
    elif not is_prefix(prefix):
        rule = "must become a name when letters and digits are added: a name " + _NAME_RULE
        yield FieldViolation("metadata.generateName", Rule.INVALID, rule)


def _description_violations(description: str) -> Iterator[FieldViolation]:
    path = "spec.description"
    if not description:
        yield FieldViolation(path, Rule.REQUIRED, "description is required")
    if len(description) > MAX_DESCRIPTION_LENGTH:
        message = f"must have at most {MAX_DESCRIPTION_LENGTH} characters"
        yield FieldViolation(path, Rule.TOO_LONG, message)
    if not is_storable(description):
        yield FieldViolation(path, Rule.INVALID, _STORABLE_RULE)


def _label_violations(labels: Mapping[str, str]) -> Iterator[FieldViolation]:
    counted = {key: value for key, value in labels.items() if key != EXEMPT_LABEL}
    if len(counted) > MAX_LABELS:
        message = f"must have at most {MAX_LABELS} items"
        yield FieldViolation("metadata.labels", Rule.TOO_MANY, message)
        return
    exempt = labels.get(EXEMPT_LABEL, "")
    if exempt and not is_label(exempt):
        yield FieldViolation(f"metadata.labels[{EXEMPT_LABEL}]", Rule.INVALID, _LABEL_RULE)
    for key, value in counted.items():
        if not is_label(key):
            yield FieldViolation("metadata.labels", Rule.INVALID, f"a key {_LABEL_RULE}")
        elif not is_label(value):
            yield FieldViolation(f"metadata.labels[{key}]", Rule.INVALID, _LABEL_RULE)


def _annotation_violations(annotations: Mapping[str, str]) -> Iterator[FieldViolation]:
    path = "metadata.annotations"
    if FOLDER_ANNOTATION in annotations:
        message = "folders are not supported"
        yield FieldViolation(f"{path}[{FOLDER_ANNOTATION}]", Rule.FORBIDDEN, message)
    if not all(is_qualified_name(key) for key in annotations):
        message = "a key must be a name of 1 to 63 characters, after a domain and '/' if any"
        yield FieldViolation(path, Rule.INVALID, message)
    if not all(is_storable(value) for value in annotations.values()):
        yield FieldViolation(path, Rule.INVALID, f"a value {_STORABLE_RULE}")
    if _size_bytes(annotations) > MAX_ANNOTATIONS_BYTES:
        message = f"must have at most {MAX_ANNOTATIONS_BYTES} bytes in all"
        yield FieldViolation(path, Rule.TOO_LONG, message)


def _size_bytes(annotations: Mapping[str, str]) -> int:
    return sum(
        len(text.encode(errors="replace")) for pair in annotations.items() for text in pair
    )


def _decrypter_violations(decrypters: tuple[str, ...]) -> Iterator[FieldViolation]:
    if len(decrypters) > MAX_DECRYPTERS:
        message = f"must have at most {MAX_DECRYPTERS} items"
        yield FieldViolation("spec.decrypters", Rule.TOO_MANY, message)
        return
    seen: set[str] = set()
    for index, decrypter in enumerate(decrypters):
        problem = _decrypter_problem(decrypter, seen)
        if problem:
            yield FieldViolation(f"spec.decrypters.[{index}]", Rule.INVALID, problem)
        seen.add(decrypter.strip())


def _decrypter_problem(decrypter: str, seen: set[str]) -> str:
    if not decrypter.strip():
        return "must not be blank"
    if not is_label(decrypter):
        return _LABEL_RULE
    return "must not be given twice" if decrypter in seen else ""
