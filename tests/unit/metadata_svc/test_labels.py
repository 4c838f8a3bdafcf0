"""Labels by this API's own rule, and by Kubernetes', which a setting allows."""

from dataclasses import fields

import pytest

from chassis.errors import Rule
from metadata_svc.config import PREFIX, Config
from metadata_svc.domain.labels import PLAIN_LABELS, SETTING, LabelRules

QUALIFIED = LabelRules(qualified=True)
ALLOWED_BY_THE_SETTING = {
    "a qualified key": {"app.kubernetes.io/name": "web"},
    "an empty value": {"canary": ""},
    "both": {"example.com/canary": ""},
    "the longest": {f"{'a.' * 126}a/{'n' * 63}": "v" * 63},
}
ALWAYS_REFUSED = {
    "no prefix": {"/name": "v"},
    "no name": {"example.com/": "v"},
    "two slashes": {"example.com/a/b": "v"},
    "a prefix in upper case": {"Example.com/name": "v"},
    "a prefix that is no DNS name": {"-example.com/name": "v"},
    "a prefix that is too long": {f"{'a.' * 127}a/name": "v"},
    "a name that is too long": {f"example.com/{'n' * 64}": "v"},
    "an empty key": {"": "v"},
    "a value with a slash": {"team": "a/b"},
    "a value that is too long": {"team": "v" * 64},
    "a blank value": {"team": " "},
}


@pytest.mark.parametrize("case", ALLOWED_BY_THE_SETTING)
def test_the_setting_allows_what_kubernetes_allows(case: str) -> None:
    assert list(QUALIFIED.violations(ALLOWED_BY_THE_SETTING[case])) == []


@pytest.mark.parametrize("case", ALLOWED_BY_THE_SETTING)
def test_without_the_setting_the_error_names_the_rule_and_the_setting(case: str) -> None:
    (violation,) = PLAIN_LABELS.violations(ALLOWED_BY_THE_SETTING[case])

    assert violation.rule is Rule.INVALID
    assert violation.field.startswith("metadata.labels")
    assert "63" in violation.message
    assert SETTING in violation.message


@pytest.mark.parametrize("rules", [PLAIN_LABELS, QUALIFIED], ids=["plain", "qualified"])
@pytest.mark.parametrize("case", ALWAYS_REFUSED)
def test_what_kubernetes_refuses_is_refused_by_either_rule(
    case: str, rules: LabelRules
) -> None:
    (violation,) = rules.violations(ALWAYS_REFUSED[case])

    assert SETTING not in violation.message


def test_the_setting_that_is_named_exists() -> None:
    names = {PREFIX + field.name.upper() for field in fields(Config)}

    assert SETTING in names
