"""Label and field selectors, as far as metadata can page by them: equality only.

What is asked and not supported is refused, never ignored: a list that is longer than asked for
looks complete.
"""

import re
from dataclasses import dataclass

from gateway.errors import BadRequestError

DECRYPTER_FIELD = "spec.decrypter"
"""Singular: "its decrypters contain"."""

# Of terms without space around them: two places for the same spaces would be tried in all ways.
_LABEL_TERM = re.compile(r"([A-Za-z0-9._/-]+)\s*==?\s*([A-Za-z0-9._-]*)")
_FIELD_TERM = re.compile(r"([A-Za-z0-9._]+)\s*==?\s*([^\s=!]+)")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which secure values a list is about; everything, when empty."""

    labels: tuple[tuple[str, str], ...] = ()
    decrypter: str = ""


def selection_from(*, label_selector: str, field_selector: str) -> Selection:
    """Raises BadRequestError: a selector is not a comma-joined list of supported equalities."""
    return Selection(labels=_labels(label_selector), decrypter=_decrypter(field_selector))


def _labels(selector: str) -> tuple[tuple[str, str], ...]:
    labels: dict[str, str] = {}
    for term in _terms(selector):
        match = _LABEL_TERM.fullmatch(term)
        if match is None:
            raise BadRequestError(
                "labelSelector: must be equalities joined by commas, such as team=a,stage==b"
            )
        key, value = match.groups()
        if labels.setdefault(key, value) != value:
            raise BadRequestError("labelSelector: asks one label for two values")
    return tuple(sorted(labels.items()))


def _decrypter(selector: str) -> str:
    decrypters = {_decrypter_of(term) for term in _terms(selector)}
    if len(decrypters) > 1:
        raise BadRequestError(f"fieldSelector: {DECRYPTER_FIELD} must be given once")
    return decrypters.pop() if decrypters else ""


def _decrypter_of(term: str) -> str:
    match = _FIELD_TERM.fullmatch(term)
    if match is None or match[1] != DECRYPTER_FIELD:
        raise BadRequestError(f"fieldSelector: must be {DECRYPTER_FIELD}=NAME")
    return match[2]


def _terms(selector: str) -> list[str]:
    return [term.strip() for term in selector.split(",")] if selector.strip() else []
