"""The rules that both kinds have in common: every violation at once, under its REST path.

- A message names the rule, never what was sent. A path names a label's key only once the key
  has passed its own rule.
- Whole-object validation runs on create and on update alike.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.field_owners import (
    MAX_OWNED_BYTES,
    MAX_OWNERS,
    FieldManager,
    Transfer,
    annotation_path,
    is_field_path,
    label_path,
)
from metadata_svc.domain.generated_name import is_prefix
from metadata_svc.domain.labels import LabelRules
from metadata_svc.domain.last_applied import without_value
from metadata_svc.domain.resource import Operation, OwnerReference, ResourceDraft
from metadata_svc.domain.text import (
    is_name,
    is_namespace,
    is_qualified_name,
    is_storable,
)

MAX_DESCRIPTION_LENGTH = 253  # code points
MAX_ANNOTATIONS_BYTES = 256 * 1024  # keys and values together, as Kubernetes counts them
MAX_MANAGER_LENGTH = 128
MAX_API_VERSION_LENGTH = 128

FOLDER_ANNOTATION = "grafana.app/folder"
SERVER_ANNOTATIONS = frozenset(
    {
        "grafana.app/createdBy",
        "grafana.app/updatedBy",
        "grafana.app/updatedTimestamp",
    }
)

STORABLE_RULE = "must not contain NUL or a lone surrogate"
_NAME_RULE = (
    "must be 1 to 253 lower-case letters, digits, '-' or '.', "
    "with a letter or digit at both ends of every part between dots"
)
_NAMESPACE_RULE = (
    "must be 1 to 63 lower-case letters, digits or '-', with a letter or digit at both ends; "
    "org-0, org-1 and stacks-0 are reserved"
)
_OWNERS = "metadata.ownerReferences"


def stored_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """Those that are the caller's: what the server sets, and an empty folder, are dropped.

    What kubectl applied last is kept without a value.
    """
    own = {
        key: value
        for key, value in annotations.items()
        if key not in SERVER_ANNOTATIONS and not (key == FOLDER_ANNOTATION and not value)
    }
    return without_value(own)


def require_valid_address(namespace: str, name: str) -> None:
    """Raise InvalidArgumentError unless both could belong to an object."""
    raise_if_any((*_namespace_violations(namespace), *_name_violations(name)))


def require_valid_namespace(namespace: str) -> None:
    """Raise InvalidArgumentError unless there could be such a namespace."""
    raise_if_any(_namespace_violations(namespace))


def raise_if_any(violations: Iterable[FieldViolation]) -> None:
    """Raise InvalidArgumentError with all of them, if there is one."""
    found = tuple(violations)
    if found:
        raise InvalidArgumentError(violations=found)


def metadata_violations(
    draft: ResourceDraft, operation: Operation, labels: LabelRules
) -> Iterator[FieldViolation]:
    """Every rule of `metadata`, and of who writes, that the draft breaks."""
    yield from _namespace_violations(draft.namespace)
    if operation is Operation.CREATE and not draft.name:
        yield from _prefix_violations(draft.generate_name)
    else:
        yield from _name_violations(draft.name)
    yield from labels.violations(draft.labels)
    yield from _annotation_violations(stored_annotations(draft.annotations))
    yield from _owner_reference_violations(draft.owner_references)
    yield from manager_violations(draft.manager)
    yield from _applied_violations(draft)


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


def description_violations(description: str) -> Iterator[FieldViolation]:
    """Every rule that a description breaks."""
    path = "spec.description"
    if not description:
        yield FieldViolation(path, Rule.REQUIRED, "description is required")
    if len(description) > MAX_DESCRIPTION_LENGTH:
        message = f"must have at most {MAX_DESCRIPTION_LENGTH} characters"
        yield FieldViolation(path, Rule.TOO_LONG, message)
    if not is_storable(description):
        yield FieldViolation(path, Rule.INVALID, STORABLE_RULE)


def _annotation_violations(annotations: Mapping[str, str]) -> Iterator[FieldViolation]:
    path = "metadata.annotations"
    if FOLDER_ANNOTATION in annotations:
        message = "folders are not supported"
        yield FieldViolation(f"{path}[{FOLDER_ANNOTATION}]", Rule.FORBIDDEN, message)
    if not all(is_qualified_name(key) for key in annotations):
        message = "a key must be a name of 1 to 63 characters, after a domain and '/' if any"
        yield FieldViolation(path, Rule.INVALID, message)
    if not all(is_storable(value) for value in annotations.values()):
        yield FieldViolation(path, Rule.INVALID, f"a value {STORABLE_RULE}")
    if _size_bytes(annotations) > MAX_ANNOTATIONS_BYTES:
        message = f"must have at most {MAX_ANNOTATIONS_BYTES} bytes in all"
        yield FieldViolation(path, Rule.TOO_LONG, message)


def _size_bytes(annotations: Mapping[str, str]) -> int:
    return sum(
        len(text.encode(errors="replace")) for pair in annotations.items() for text in pair
    )


def _owner_reference_violations(
    owners: Sequence[OwnerReference],
) -> Iterator[FieldViolation]:
    if len(owners) > 1:
        yield FieldViolation(_OWNERS, Rule.TOO_MANY, "must have at most 1 item")
    elif owners and not all(owners[0].api_version.partition("/")):
        message = "the apiVersion must be a group, a slash and a version"
        yield FieldViolation(_OWNERS, Rule.INVALID, message)
    elif owners:
        yield FieldViolation(_OWNERS, Rule.FORBIDDEN, "is not supported yet")


def manager_violations(manager: FieldManager) -> Iterator[FieldViolation]:
    """Every rule that who writes breaks."""
    for path, text, limit in (
        ("fieldManager", manager.name, MAX_MANAGER_LENGTH),
        ("apiVersion", manager.api_version, MAX_API_VERSION_LENGTH),
    ):
        if len(text) > limit:
            yield FieldViolation(path, Rule.TOO_LONG, f"must have at most {limit} characters")
        elif not text.isprintable():
            yield FieldViolation(path, Rule.INVALID, "must be printable characters")
    if manager.transfer is not None:
        yield from _transfer_violations(manager.transfer)


def _transfer_violations(transfer: Transfer) -> Iterator[FieldViolation]:
    path = "metadata.managedFields"
    named = transfer.to and len(transfer.to) <= MAX_MANAGER_LENGTH and transfer.to.isprintable()
    if not named:
        message = f"a manager must be 1 to {MAX_MANAGER_LENGTH} printable characters"
        yield FieldViolation(path, Rule.INVALID, message)
    if len(transfer.managers) > MAX_OWNERS:
        yield FieldViolation(path, Rule.TOO_MANY, f"must have at most {MAX_OWNERS} managers")


def _applied_violations(draft: ResourceDraft) -> Iterator[FieldViolation]:
    applied, path = draft.manager.applied, "metadata.managedFields"
    if applied is None:
        return
    if not draft.manager.name:
        yield FieldViolation("fieldManager", Rule.REQUIRED, "is required to apply")
    if sum(len(field.encode(errors="replace")) for field in applied) > MAX_OWNED_BYTES:
        message = f"must have at most {MAX_OWNED_BYTES} bytes of field names in all"
        yield FieldViolation(path, Rule.TOO_LONG, message)
    elif not all(map(is_field_path, applied - _entries(draft))):
        message = "only fields of the spec, labels and annotations can be applied"
        yield FieldViolation(path, Rule.INVALID, message)


def _entries(draft: ResourceDraft) -> set[str]:
    """The paths of the labels and annotations there are: their keys have rules of their own."""
    labels, annotations = map(label_path, draft.labels), map(annotation_path, draft.annotations)
    return {*labels, *annotations}
