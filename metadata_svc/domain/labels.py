"""The rules of labels: this API's own, and Kubernetes', which a setting allows.

Sources: the label rules of Grafana's secrets API; Kubernetes' "Labels and Selectors", "Syntax
and character set".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chassis.errors import FieldViolation, Rule
from metadata_svc.domain.text import is_label, is_name

MAX_LABELS = 10
SETTING = "SPLITKEEP_METADATA_QUALIFIED_LABELS"

# Clients built on Grafana's app SDK set it on every write; it is not the user's.
EXEMPT_LABEL = "grafana-app-sdk-resource-version"

LABEL_RULE = (
    "must be 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends"
)
QUALIFIED_RULE = (
    f"{LABEL_RULE}, after a lower-case DNS name of at most 253 characters and '/' if any"
)
NO_PREFIX_RULE = f"{LABEL_RULE}; a DNS name and '/' before it need {SETTING} to be set"
NO_EMPTY_RULE = f"{LABEL_RULE}; an empty value needs {SETTING} to be set"


@dataclass(frozen=True, slots=True)
class LabelRules:
    """What a label may be. `qualified` allows what Kubernetes allows beyond this API's rule."""

    qualified: bool = False

    def violations(self, labels: Mapping[str, str]) -> Iterator[FieldViolation]:
        """Every rule that the labels break. A path names a key only if the key breaks none."""
        counted = {key: value for key, value in labels.items() if key != EXEMPT_LABEL}
        if len(counted) > MAX_LABELS:
            message = f"must have at most {MAX_LABELS} items"
            yield FieldViolation("metadata.labels", Rule.TOO_MANY, message)
            return
        exempt = labels.get(EXEMPT_LABEL, "")
        if exempt and not is_label(exempt):
            yield FieldViolation(f"metadata.labels[{EXEMPT_LABEL}]", Rule.INVALID, LABEL_RULE)
        for key, value in counted.items():
            if problem := self._key_problem(key):
                yield FieldViolation("metadata.labels", Rule.INVALID, f"a key {problem}")
            elif problem := self._value_problem(value):
                yield FieldViolation(f"metadata.labels[{key}]", Rule.INVALID, problem)

    def _key_problem(self, key: str) -> str:
        if is_label(key):
            return ""
        if self.qualified:
            return "" if _is_qualified(key) else QUALIFIED_RULE
        return NO_PREFIX_RULE if _is_qualified(key) else LABEL_RULE

    def _value_problem(self, value: str) -> str:
        if is_label(value) or (self.qualified and not value):
            return ""
        return LABEL_RULE if value or self.qualified else NO_EMPTY_RULE


PLAIN_LABELS = LabelRules()
"""This API's own rule, and nothing beyond."""


def _is_qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return bool(slash) and is_name(prefix) and is_label(name)
