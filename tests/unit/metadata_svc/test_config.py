"""What the configuration of metadata_svc refuses."""

import pytest

from chassis.config import ConfigError, load_config
from metadata_svc.config import PREFIX, Config

RETENTION = PREFIX + "OUTCOME_RETENTION_SECONDS"


@pytest.mark.parametrize(("seconds", "refused"), [("3599", True), ("3600", False)])
def test_outcomes_are_kept_for_an_hour_at_least(seconds: str, refused: bool) -> None:  # noqa: FBT001  # a case's own column
    with pytest.raises(ConfigError) as caught:
        load_config(Config, PREFIX, {RETENTION: seconds})

    assert any(RETENTION in problem for problem in caught.value.problems) is refused
