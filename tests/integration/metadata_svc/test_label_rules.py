"""Labels as Kubernetes allows them, where the setting says so, on real Postgres."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from chassis.errors import InvalidArgumentError
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import keepers_pb2 as pb
from protos.splitkeep.metadata.v1.selector_pb2 import LabelOperator, LabelRequirement, Selector
from tests.integration.metadata_svc.test_keepers_grpc import HERE, a_draft, ask, create, get
from tests.integration.metadata_svc.wire import Credentials, Wire, wired

LABELS = {"app.kubernetes.io/name": "web", "canary": ""}

Opened = Callable[..., AbstractAsyncContextManager[Wire]]


@pytest.fixture
def opened(tmp_path: Path, database: Database, metadata_dsn: Sensitive[str]) -> Opened:
    """Replicas on the same database, each with settings of its own."""
    return partial(wired, Credentials(tmp_path), database, metadata_dsn)


def having(key: str, operator: LabelOperator.ValueType, *values: str) -> Selector:
    return Selector(labels=[LabelRequirement(key=key, operator=operator, values=values)])


async def listed(wire: Wire, selector: Selector) -> list[str]:
    request = pb.ListKeepersRequest(namespace="default", selector=selector)
    return [keeper.name for keeper in (await ask(wire, "ListKeepers", request)).keepers]


async def test_qualified_keys_and_empty_values_are_kept_and_selected_by(opened: Opened) -> None:
    has, lacks = LabelOperator.LABEL_OPERATOR_IN, LabelOperator.LABEL_OPERATOR_NOT_IN
    async with opened(qualified_labels=True) as wire:
        created = await create(wire, labels=LABELS)
        await create(wire, name="other", labels={"canary": "yes"})

        assert dict(created.labels) == LABELS
        assert dict((await get(wire)).keeper.labels) == LABELS
        assert await listed(wire, having("app.kubernetes.io/name", has, "web")) == [
            HERE["name"]
        ]
        assert await listed(wire, having("canary", has, "")) == [HERE["name"]]
        assert await listed(wire, having("canary", lacks, "")) == ["other"]


async def test_a_replica_without_the_setting_shows_such_labels_and_refuses_to_write_them(
    opened: Opened,
) -> None:
    """What an older replica does as well."""
    async with opened(qualified_labels=True) as wire:
        await create(wire, labels=LABELS)

    async with opened() as wire:
        assert dict((await get(wire)).keeper.labels) == LABELS
        with pytest.raises(InvalidArgumentError) as refused:
            await ask(
                wire, "UpdateKeeper", pb.UpdateKeeperRequest(draft=a_draft(labels=LABELS))
            )
        await ask(wire, "UpdateKeeper", pb.UpdateKeeperRequest(draft=a_draft(labels={})))

    fields = [violation.field for violation in refused.value.violations]
    assert sorted(fields) == ["metadata.labels", "metadata.labels[canary]"]


async def test_an_edit_of_parts_goes_by_the_same_setting(opened: Opened) -> None:
    edit = pb.EditKeeperRequest(**HERE, put_labels=LABELS)
    async with opened() as wire:
        await create(wire, labels={})
        with pytest.raises(InvalidArgumentError):
            await ask(wire, "EditKeeper", edit)

    async with opened(qualified_labels=True) as wire:
        await ask(wire, "EditKeeper", edit)
        assert dict((await get(wire)).keeper.labels) == LABELS
