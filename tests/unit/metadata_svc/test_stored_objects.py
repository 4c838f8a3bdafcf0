"""Objects as outcomes and changes keep them, also those that another version stored."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from metadata_svc.domain.field_owners import FieldOwner, OwnerOperation
from metadata_svc.domain.keeper import AwsAssumeRole, AwsKeeper, Keeper
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.postgres.rows import (
    keeper_from_json,
    resource_to_json,
    secure_value_from_json,
    size_bytes,
)
from tests.fakes.metadata_svc.builders import NOON, a_keeper, a_secure_value

# As the first version of the schema's code wrote it; an outcome is kept for a day.
FIRST = """{
    "namespace": "default", "name": "pg-main", "uid": "00000000-0000-0000-0000-000000000001",
    "resource_version": 1, "generation": 1, "created_at": "2026-02-16T12:00:00+00:00",
    "created_by": "user:u1", "updated_at": "2026-02-16T12:00:00+00:00",
    "updated_by": "user:u1", "description": "Main PG password", "decrypters": ["b", "a"],
    "labels": {"team": "platform"}, "annotations": {}, "keeper": "system", "version": 1,
    "value_id": "00000000-0000-0000-0000-000000000002"
}"""

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=3)
MOMENTS = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001  # its zone is given apart
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)
OWNERS = st.lists(
    st.builds(
        FieldOwner,
        manager=TEXTS,
        operation=st.sampled_from(OwnerOperation),
        api_version=TEXTS,
        at=MOMENTS,
        fields=st.lists(TEXTS, max_size=3).map(tuple),
    ),
    max_size=3,
).map(tuple)
SECURE_VALUES = st.builds(
    a_secure_value,
    labels=MAPS,
    annotations=MAPS,
    description=TEXTS,
    decrypters=st.lists(TEXTS, max_size=3).map(tuple),
    created_at=MOMENTS,
    field_owners=OWNERS,
)
KEEPERS = st.builds(
    a_keeper,
    labels=MAPS,
    active=st.booleans(),
    updated_at=MOMENTS,
    field_owners=OWNERS,
    aws=st.builds(
        AwsKeeper,
        region=TEXTS,
        assume_role=st.none()
        | st.builds(AwsAssumeRole, assume_role_arn=TEXTS, external_id=TEXTS),
    ),
)


@given(SECURE_VALUES, KEEPERS)
def test_what_is_stored_is_read_as_it_was(secure_value: SecureValue, keeper: Keeper) -> None:
    assert secure_value_from_json(resource_to_json(secure_value)) == secure_value
    assert keeper_from_json(resource_to_json(keeper)) == keeper


def test_what_the_first_version_stored_is_read() -> None:
    assert secure_value_from_json(FIRST) == a_secure_value(
        uid=UUID(int=1), value_id=UUID(int=2), decrypters=("b", "a"), annotations={}
    )


def test_what_a_newer_version_added_is_passed_over() -> None:
    live, keeper = a_secure_value(), a_keeper()
    newer = [json.dumps(json.loads(resource_to_json(r)) | {"later": 1}) for r in (live, keeper)]

    assert secure_value_from_json(newer[0]) == live
    assert keeper_from_json(newer[1]) == keeper


def test_what_is_kept_of_a_secure_value_names_its_owners_in_plain_words() -> None:
    owner = FieldOwner(
        manager="m",
        operation=OwnerOperation.APPLY,
        api_version="v",
        at=NOON,
        fields=("spec.value",),
    )
    stored = json.loads(resource_to_json(a_secure_value(field_owners=(owner,))))

    assert stored["field_owners"] == [
        {
            "manager": "m",
            "operation": "Apply",
            "api_version": "v",
            "at": NOON.isoformat(),
            "fields": ["spec.value"],
        }
    ]


def test_owners_and_a_configuration_count_in_what_an_object_weighs() -> None:
    owner = FieldOwner(
        manager="m" * 100,
        operation=OwnerOperation.UPDATE,
        api_version="",
        at=NOON,
        fields=("f" * 1000,),
    )
    live, keeper = a_secure_value(), a_keeper()
    role = AwsAssumeRole(assume_role_arn="a" * 1000, external_id="e" * 500)

    assert size_bytes(replace(live, field_owners=(owner,))) >= size_bytes(live) + 1100
    assert size_bytes(replace(keeper, field_owners=(owner,))) >= size_bytes(keeper) + 1100
    heavy = replace(keeper, aws=AwsKeeper(region="r" * 60, assume_role=role))
    assert size_bytes(heavy) >= 1560
