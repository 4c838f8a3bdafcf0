"""A misspelt variable is named, with what may have been meant."""

import re

import pytest

from splitkeep.environment import ROOT
from splitkeep.local.settings import SettingsError
from splitkeep.local.variables import check_variables, known

VARIABLE = re.compile(r"SPLITKEEP_[A-Z_]*[A-Z]")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SPLITKEEP_VALUT_PORT", "SPLITKEEP_VAULT_PORT"),
        ("SPLITKEEP_VALUT_LOG_LEVEL", "SPLITKEEP_VAULT_"),
        ("SPLITKEEP_METDATA_REFLECTION", "SPLITKEEP_METADATA_"),
        ("SPLITKEEP_STATE_DIRECTORY", "SPLITKEEP_STATE_DIR"),
        ("SPLITKEEP_QUX", "settings begin with SPLITKEEP_METADATA_, SPLITKEEP_VAULT_"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_known(name: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} is not known; .*{meant}"):
        check_variables({name: "a value", "PATH": "/bin"})


def test_every_misspelt_variable_is_named_and_no_value() -> None:
    with pytest.raises(SettingsError) as caught:
        check_variables({"SPLITKEEP_X": "canary", "SPLITKEEP_VUALT_Y": "canary"})

    assert {"SPLITKEEP_X", "SPLITKEEP_VUALT_Y"} <= set(VARIABLE.findall(str(caught.value)))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("page", ["docs/configuration.md", "docs/compose.md", "README.md"])
def test_everything_that_is_documented_is_known(page: str) -> None:
    documented = set(VARIABLE.findall((ROOT / page).read_text()))

    assert [name for name in documented if not known(name)] == []


def test_everything_that_compose_reads_is_known() -> None:
    read = set(VARIABLE.findall((ROOT / "docker-compose.yml").read_text()))

    assert len(read) > 5
    assert [name for name in read if not known(name)] == []
