"""A request's two selectors, as the one message that the services take."""

from gateway.kinds import SECURE_VALUE, Kind, Target
from gateway.queries.query import Query
from gateway.selectors.fields import FieldTerm, field_terms
from gateway.selectors.labels import label_requirements
from protos.splitkeep.metadata.v1.selector_pb2 import FieldRequirement, SelectedField, Selector

NAME = "metadata.name"
NAMESPACE = "metadata.namespace"
DECRYPTER = "spec.decrypter"
"""Singular: "its decrypters contain"."""
KEEPER = "status.keeper"

_OF_EVERY_KIND = {NAME: SelectedField.SELECTED_FIELD_NAME}
_OF_SECURE_VALUES = _OF_EVERY_KIND | {
    DECRYPTER: SelectedField.SELECTED_FIELD_DECRYPTER,
    KEEPER: SelectedField.SELECTED_FIELD_KEEPER,
}

_NOTHING = tuple(
    FieldRequirement(field=SelectedField.SELECTED_FIELD_NAME, value=name)
    for name in ("no", "none")
)
"""No resource has two names. The services still decide whether the caller may ask at all."""


def selector_from(
    *, label_selector: str, field_selector: str, kind: Kind, namespace: str
) -> Selector:
    """Which resources of `namespace` are meant; equal selectors are equal however spelt.

    Raises BadRequestError: a selector cannot be read, or asks for a field the kind has not.
    """
    fields = _OF_SECURE_VALUES if kind == SECURE_VALUE else _OF_EVERY_KIND
    labels = label_requirements(label_selector)
    terms = field_terms(field_selector, supported=frozenset({NAMESPACE, *fields}))
    if any(_misses(term, namespace) for term in terms):
        return Selector(fields=_NOTHING)
    requirements = [
        FieldRequirement(field=fields[term.field], negated=term.negated, value=term.value)
        for term in terms
        if term.field != NAMESPACE
    ]
    return Selector(labels=labels, fields=requirements)


def selection_from(query: Query, target: Target) -> Selector:
    """The selector of a request's query. Raises BadRequestError, as selector_from does."""
    return selector_from(
        label_selector=query.text("labelSelector"),
        field_selector=query.text("fieldSelector"),
        kind=target.kind,
        namespace=target.namespace,
    )


def _misses(term: FieldTerm, namespace: str) -> bool:
    """Whether a term about the namespace, which the path has decided already, does not hold."""
    return term.field == NAMESPACE and (term.value == namespace) is term.negated
