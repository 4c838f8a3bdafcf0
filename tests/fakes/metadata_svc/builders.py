"""Things of this service with defaults, so that a test names only what it is about."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from chassis.caller import Caller, Grant
from metadata_svc.domain.keeper import AwsAssumeRole, AwsKeeper, Keeper, KeeperDraft
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.secure_value import Draft, PreparedWrite, SecureValue
from metadata_svc.domain.selector import (
    FieldRequirement,
    LabelOperator,
    LabelRequirement,
    SelectedField,
    Selector,
)

NAMESPACE = "default"
NOON = datetime(2026, 2, 16, 12, 0, tzinfo=UTC)


def a_caller(**changes: Any) -> Caller:
    """An administrator of every namespace, unless changed."""
    caller = Caller(
        subject="user:u1",
        namespace="*",
        roles=frozenset({"Admin"}),
        grants=(),
        permissions=frozenset(),
        service_identities=(),
        for_user=True,
        issuer="https://issuer.invalid",
        token_id="t1",
    )
    return replace(caller, **changes)


def a_caller_granted(*grants: tuple[str, str], **changes: Any) -> Caller:
    return a_caller(
        roles=frozenset(),
        grants=tuple(Grant(action, scope) for action, scope in grants),
        **changes,
    )


def a_draft(**changes: Any) -> Draft:
    draft = Draft(
        namespace=NAMESPACE,
        name="pg-main",
        description="Main PG password",
        decrypters=("synthetic-monitoring",),
        labels={"team": "platform"},
    )
    return replace(draft, **changes)


def a_prepared_write(**changes: Any) -> PreparedWrite:
    write = PreparedWrite(
        operation=Operation.CREATE,
        name="pg-main",
        uid=uuid4(),
        keeper="system",
        value_id=uuid4(),
    )
    return replace(write, **changes)


def a_secure_value(**changes: Any) -> SecureValue:
    secure_value = SecureValue(
        namespace=NAMESPACE,
        name="pg-main",
        uid=uuid4(),
        resource_version=1,
        generation=1,
        created_at=NOON,
        created_by="user:u1",
        updated_at=NOON,
        updated_by="user:u1",
        description="Main PG password",
        decrypters=("synthetic-monitoring",),
        labels={"team": "platform"},
        annotations={"example.com/note": "kept"},
        keeper="system",
        version=1,
        value_id=uuid4(),
    )
    return replace(secure_value, **changes)


def selecting(
    labels: Mapping[str, str] | None = None, *, decrypter: str = "", keeper: str = ""
) -> Selector:
    """All labels with these values; a decrypter and a keeper unless empty."""
    wanted = ((SelectedField.DECRYPTER, decrypter), (SelectedField.KEEPER, keeper))
    return Selector(
        tuple(
            LabelRequirement(key, LabelOperator.IN, (value,))
            for key, value in (labels or {}).items()
        ),
        tuple(FieldRequirement(field, value) for field, value in wanted if value),
    )


ROLE = AwsAssumeRole(
    assume_role_arn="arn:aws:iam::123456789012:role/splitkeep", external_id="e-1"
)


def a_keeper_draft(**changes: Any) -> KeeperDraft:
    draft = KeeperDraft(
        namespace=NAMESPACE,
        name="aws-main",
        description="The payments account",
        labels={"team": "platform"},
        aws=AwsKeeper(region="eu-central-1", assume_role=ROLE),
        providers=("aws",),
    )
    return replace(draft, **changes)


def a_keeper(**changes: Any) -> Keeper:
    keeper = Keeper(
        namespace=NAMESPACE,
        name="aws-main",
        uid=uuid4(),
        resource_version=1,
        generation=1,
        created_at=NOON,
        created_by="user:u1",
        updated_at=NOON,
        updated_by="user:u1",
        description="The payments account",
        labels={"team": "platform"},
        annotations={"example.com/note": "kept"},
        active=False,
        aws=AwsKeeper(region="eu-central-1", assume_role=ROLE),
    )
    return replace(keeper, **changes)


class ManualClock:
    """Stands still until told otherwise. See chassis.clock.Clock."""

    def __init__(self) -> None:
        self._now = NOON

    def now(self) -> datetime:
        return self._now

    def advance(self, duration: timedelta) -> None:
        self._now += duration


def counting_ids() -> Any:
    """Ids 1, 2, 3… as UUIDs."""
    numbers = iter(range(1, 1_000_000))
    return lambda: UUID(int=next(numbers))
