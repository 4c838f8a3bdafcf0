"""A value does not stand in the texts beside it: those are metadata's, and open to its readers.

Only a write that carries a value can be looked at. Metadata never sees one, so an edit of the
texts alone may repeat a value that was stored before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from chassis.errors import FieldViolation, Rule
from chassis.sensitive import Sensitive
from vault_svc.domain.draft import Draft, Operation, OwnerReference
from vault_svc.domain.fingerprint import IDEMPOTENCY_FIELD
from vault_svc.domain.last_applied import texts_of

MINIMUM_BYTES = 12  # anything shorter stands in harmless texts by chance
WITHHELD = "withheld"
_RULE = "must not contain the value"


class Pattern:
    """A value as it is looked for; one that is too short is found nowhere."""

    def __init__(self, value: Sensitive[bytes]) -> None:
        # Files and editors add an end of line that a text beside the value does not repeat.
        whole = value.reveal()
        trimmed = whole.strip()
        self._sought = Sensitive(trimmed if len(trimmed) >= MINIMUM_BYTES else whole)

    def in_bytes(self, content: bytes) -> bool:
        """Whether the value stands in there, byte for byte."""
        sought = self._sought.reveal()
        return len(sought) >= MINIMUM_BYTES and sought in content

    def in_any(self, texts: Iterable[str]) -> bool:
        """Whether the value stands in one of the texts."""
        return any(self.in_bytes(text.encode()) for text in texts)


def revealing(
    draft: Draft, idempotency_key: str, pattern: Pattern
) -> tuple[FieldViolation, ...]:
    """One violation for each field that contains the value, whole or in one of its parts."""
    fields: dict[str, Iterable[str]] = {
        "metadata.name": (draft.name,),
        "metadata.generateName": (draft.generate_name,),
        "metadata.labels": _texts(draft.labels),
        "metadata.annotations": texts_of(draft.annotations),
        "metadata.ownerReferences": (t for o in draft.owner_references for t in _owner(o)),
        "spec.description": (draft.description,),
        "spec.ref": (draft.ref,),
        "spec.decrypters": draft.decrypters,
        IDEMPOTENCY_FIELD: (idempotency_key,),
    }
    found = [path for path, texts in fields.items() if pattern.in_any(texts)]
    # What is applied repeats the keys, which are told as what they are.
    keys = (*draft.labels, *draft.annotations)
    if pattern.in_bytes(draft.manager) and not pattern.in_any(keys):
        found.append("fieldManager")
    return tuple(FieldViolation(path, Rule.FORBIDDEN, _RULE) for path in found)


def withheld(draft: Draft, pattern: Pattern, operation: Operation) -> Draft:
    """The draft for metadata to judge the rest of: the value stands nowhere in it.

    The name of an update stays, for metadata has it already.
    """

    def clean(*texts: str) -> bool:
        return not pattern.in_any(texts)

    named = operation is Operation.UPDATE or clean(draft.name)
    return replace(
        draft,
        name=draft.name if named else "",
        generate_name=draft.generate_name if named and clean(draft.generate_name) else WITHHELD,
        description=draft.description if clean(draft.description) else WITHHELD,
        decrypters=tuple(d for d in draft.decrypters if clean(d)),
        labels={k: v for k, v in draft.labels.items() if clean(k, v)},
        annotations={k: v for k, v in draft.annotations.items() if clean(*texts_of({k: v}))},
        ref=draft.ref if clean(draft.ref) else "",
        owner_references=tuple(o for o in draft.owner_references if clean(*_owner(o))),
        manager=b"" if pattern.in_bytes(draft.manager) else draft.manager,
    )


def _texts(pairs: Mapping[str, str]) -> Iterable[str]:
    return (text for pair in pairs.items() for text in pair)


def _owner(owner: OwnerReference) -> tuple[str, str, str]:
    return owner.api_version, owner.kind, owner.name
