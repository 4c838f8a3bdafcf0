"""Watches over real gRPC: how they end, who is woken, and what they hold."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from chassis.errors import (
    ExpiredError,
    InvalidArgumentError,
    KnownError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.grpc_client import call, stream
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import keepers_pb2 as keepers_pb
from protos.splitkeep.metadata.v1 import keepers_pb2_grpc as keepers_grpc
from protos.splitkeep.metadata.v1 import secure_values_pb2 as values_pb
from protos.splitkeep.metadata.v1 import secure_values_pb2_grpc as values_grpc
from protos.splitkeep.metadata.v1 import selector_pb2, watch_pb2
from tests.contracts.metadata_svc.application import Application
from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.stores import Stores
from tests.fakes.metadata_svc.builders import NAMESPACE, a_draft, a_keeper_draft
from tests.faults.proxy import faulty_proxy
from tests.integration.metadata_svc.wire import Credentials, Wire, wired

SECONDS = 20.0
ADDED, MODIFIED = watch_pb2.EVENT_TYPE_ADDED, watch_pb2.EVENT_TYPE_MODIFIED
DELETED, BOOKMARK = watch_pb2.EVENT_TYPE_DELETED, watch_pb2.EVENT_TYPE_BOOKMARK
NEVER = 1_000.0
SOON = {"watch_poll_seconds": 0.02, "watch_bookmark_seconds": 0.1}
LEEWAY_SECONDS = 60  # chassis/token_claims.py

Events = AsyncGenerator[values_pb.WatchSecureValuesResponse, None]
Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path, database: Database, metadata_dsn: Sensitive[str]) -> Start:
    credentials = Credentials(tmp_path)

    @asynccontextmanager
    async def started(**settings: Any) -> AsyncIterator[Wire]:
        async with wired(credentials, database, metadata_dsn, **SOON | settings) as wire:
            yield wire

    return started


def watch(wire: Wire, *, seconds: float = SECONDS, **asked: Any) -> Events:
    """A watch of the namespace; `claims` are those of its token."""
    token = wire.credentials.token(**asked.pop("claims", {}))
    request = values_pb.WatchSecureValuesRequest(namespace=NAMESPACE, **asked)
    stub = values_grpc.SecureValuesStub(wire.clients)
    return stream(stub.WatchSecureValues, request, deadline_seconds=seconds, token=token)


async def change_of(events: Events) -> values_pb.WatchSecureValuesResponse:
    """The next event that is no bookmark."""
    async with asyncio.timeout(SECONDS):
        while (event := await anext(events)).type == BOOKMARK:
            pass
    return event


async def end_of(events: Events) -> KnownError:
    async with asyncio.timeout(SECONDS):
        with pytest.raises(KnownError) as error:
            async for _ in events:
                pass
    return error.value


async def ask(wire: Wire, method: str, request: Any) -> Any:
    stub = values_grpc.SecureValuesStub(wire.clients)
    token = wire.credentials.token()
    return await call(getattr(stub, method), request, deadline_seconds=SECONDS, token=token)


async def delete(wire: Wire, name: str) -> None:
    request = values_pb.DeleteSecureValueRequest(namespace=NAMESPACE, name=name)
    await ask(wire, "DeleteSecureValue", request)


async def test_a_watch_crosses_whole(start: Start, application: Application) -> None:
    async with start() as wire:
        await application.create(a_draft(name="a"))
        events = watch(wire, initial=True)
        first, end = await anext(events), await anext(events)
        get = values_pb.GetSecureValueRequest(namespace=NAMESPACE, name="a")
        read = (await ask(wire, "GetSecureValue", get)).secure_value
        await delete(wire, "a")
        gone = await change_of(events)

        response = values_pb.WatchSecureValuesResponse
        assert first == response(type=ADDED, resource_version=1, secure_value=read)
        assert end == response(type=BOOKMARK, resource_version=1, initial_end=True)
        read.resource_version = 2
        assert gone == response(type=DELETED, resource_version=2, secure_value=read)
        assert not end.HasField("secure_value")
        await events.aclose()


async def test_a_watch_of_keepers_crosses_whole(start: Start, stores: Stores) -> None:
    async with start() as wire:
        await Keeping(stores).create(a_keeper_draft(name="k", labels={"team": "x"}))
        selector = selector_pb2.Selector(
            labels=[
                selector_pb2.LabelRequirement(
                    key="team", operator=selector_pb2.LABEL_OPERATOR_EXISTS
                )
            ]
        )
        stub = keepers_grpc.KeepersStub(wire.clients)
        token = wire.credentials.token()
        listed = await call(
            stub.ListKeepers,
            keepers_pb.ListKeepersRequest(namespace=NAMESPACE, selector=selector),
            deadline_seconds=SECONDS,
            token=token,
        )
        request = keepers_pb.WatchKeepersRequest(namespace=NAMESPACE, selector=selector)
        events: Any = stream(stub.WatchKeepers, request, deadline_seconds=SECONDS, token=token)
        event = await anext(events)
        deleted = await call(
            stub.DeleteKeepers,
            keepers_pb.DeleteKeepersRequest(namespace=NAMESPACE, selector=selector),
            deadline_seconds=SECONDS,
            token=token,
        )

        assert (event.type, event.resource_version) == (ADDED, 1)
        assert list(listed.keepers) == [event.keeper]
        assert listed.resource_version == 1
        assert list(deleted.deleted_names) == ["k"]
        await events.aclose()


async def test_many_are_deleted_by_one_call(start: Start, application: Application) -> None:
    async with start() as wire:
        for name in ("a", "b", "c"):
            await application.create(a_draft(name=name))
        request = values_pb.DeleteSecureValuesRequest(namespace=NAMESPACE, page_size=2)

        answer = await ask(wire, "DeleteSecureValues", request)

        assert (list(answer.deleted_names), answer.after_name) == (["a", "b"], "b")


async def test_a_write_through_this_process_is_told_at_once(
    start: Start, application: Application
) -> None:
    for name in ("a", "b"):
        await application.create(a_draft(name=name))
    async with start(watch_poll_seconds=NEVER, watch_bookmark_seconds=0.1) as wire:
        events = watch(wire, after_resource_version=2)
        assert (await anext(events)).type == BOOKMARK
        await events.aclose()

    async with start(watch_poll_seconds=NEVER, watch_bookmark_seconds=NEVER) as wire:
        events = watch(wire, initial=True)
        while not (await anext(events)).initial_end:
            pass
        waiting = asyncio.ensure_future(change_of(events))
        await asyncio.sleep(0.1)
        await delete(wire, "a")

        assert (await waiting).resource_version == 3
        await events.aclose()


async def test_a_write_through_one_replica_is_told_by_the_other(
    start: Start, application: Application
) -> None:
    await application.create(a_draft(name="a"))
    async with (
        start(watch_bookmark_seconds=NEVER) as one,
        start(watch_bookmark_seconds=NEVER) as other,
    ):
        events = watch(other, initial=True)
        while not (await anext(events)).initial_end:
            pass
        await delete(one, "a")

        assert (await change_of(events)).type == DELETED
        await events.aclose()


async def test_an_expired_token_ends_the_watch(start: Start) -> None:
    async with start() as wire:
        expires = time.time() - LEEWAY_SECONDS + 1
        events = watch(wire, claims={"exp": expires, "iat": expires - 60, "nbf": expires - 60})
        assert (await anext(events)).type == BOOKMARK

        error = await end_of(events)

        assert isinstance(error, UnauthenticatedError)
        assert time.time() >= expires + LEEWAY_SECONDS


async def test_a_trimmed_history_is_out_of_range(
    start: Start, application: Application
) -> None:
    for name in ("a", "b"):
        await application.create(a_draft(name=name))
    await application.history.trim()
    async with start() as wire:
        assert isinstance(await end_of(watch(wire, after_resource_version=1)), ExpiredError)

        pending = values_grpc.SecureValuesStub(wire.clients).WatchSecureValues(
            values_pb.WatchSecureValuesRequest(namespace=NAMESPACE, after_resource_version=1),
            metadata=(("x-access-token", wire.credentials.token().reveal()),),
        )
        assert await pending.code() is grpc.StatusCode.OUT_OF_RANGE


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        pytest.param({"claims": {"exp": 1}}, UnauthenticatedError, id="expired"),
        pytest.param({"claims": {"roles": []}}, PermissionDeniedError, id="no right"),
        pytest.param({"claims": {"namespace": "other"}}, PermissionDeniedError, id="elsewhere"),
        pytest.param(
            {"selector": {"labels": [{"key": "team"}]}}, InvalidArgumentError, id="no operator"
        ),
        pytest.param(
            {"selector": {"fields": [{"value": "x"}]}}, InvalidArgumentError, id="no field"
        ),
        pytest.param({"after_resource_version": -1}, InvalidArgumentError, id="negative"),
    ],
)
async def test_a_watch_that_cannot_be_is_refused_with_its_status(
    start: Start, asked: dict[str, Any], error: type[KnownError]
) -> None:
    async with start() as wire:
        assert type(await end_of(watch(wire, **asked))) is error


async def test_a_drain_ends_watches_at_once(start: Start) -> None:
    async with start(watch_bookmark_seconds=NEVER, watch_poll_seconds=NEVER) as wire:
        events = watch(wire, initial=True)
        assert (await anext(events)).initial_end
        began = time.monotonic()

        stopped = asyncio.ensure_future(wire.server.stop(SECONDS))
        error = await end_of(events)
        await stopped

        assert isinstance(error, UnavailableError)
        assert time.monotonic() - began < SECONDS / 4


async def test_watches_are_bounded_and_counted(start: Start, application: Application) -> None:
    await application.create()
    async with start(concurrent_watches=2, concurrent_calls=1) as wire:
        sample = wire.metrics.registry.get_sample_value
        held = [watch(wire, initial=True) for _ in range(2)]
        for events in held:
            while not (await anext(events)).initial_end:
                pass

        assert isinstance(await end_of(watch(wire)), ResourceExhaustedError)
        get = values_pb.GetSecureValueRequest(namespace=NAMESPACE, name="pg-main")
        assert (await ask(wire, "GetSecureValue", get)).secure_value.name == "pg-main"
        added = {"kind": "SecureValue", "type": "ADDED"}
        assert (
            sample("metadata_watchers"),
            sample("metadata_watch_events_total", added),
        ) == (2, 2)
        for events in held:
            await events.aclose()
        async with asyncio.timeout(SECONDS):
            while sample("metadata_watchers"):  # noqa: ASYNC110  # a metric tells nobody
                await asyncio.sleep(0.01)


async def accepted(wire: Wire, **asked: Any) -> Events:
    """A watch that has told what there is, as soon as there is a place for it."""
    async with asyncio.timeout(SECONDS):
        while True:
            events = watch(wire, initial=True, **asked)
            try:
                while not (await anext(events)).initial_end:
                    pass
            except ResourceExhaustedError:
                await asyncio.sleep(0.01)  # the server hears of an end a moment later
            else:
                return events


async def test_one_subject_has_its_share_of_the_watches_and_no_more(start: Start) -> None:
    other = {"sub": "user:u2"}
    async with start(watch_bookmark_seconds=NEVER) as wire:
        held = [watch(wire, initial=True) for _ in range(50)]
        assert all([(await anext(events)).initial_end for events in held])

        for _ in range(3):
            assert isinstance(await end_of(watch(wire)), ResourceExhaustedError)
        stub = keepers_grpc.KeepersStub(wire.clients)
        keepers: Any = stream(
            stub.WatchKeepers,
            keepers_pb.WatchKeepersRequest(namespace=NAMESPACE),
            deadline_seconds=SECONDS,
            token=wire.credentials.token(),
        )
        assert isinstance(await end_of(keepers), ResourceExhaustedError)
        beside = [watch(wire, initial=True, claims=other) for _ in range(50)]
        assert all([(await anext(events)).initial_end for events in beside])

        await held.pop().aclose()
        held.append(await accepted(wire))
        assert isinstance(await end_of(watch(wire)), ResourceExhaustedError)
        for events in (*held, *beside):
            await events.aclose()


async def test_a_client_that_vanishes_leaves_its_place_to_others(start: Start) -> None:
    async with (
        start(watches_per_subject=2, watch_bookmark_seconds=NEVER) as wire,
        faulty_proxy("localhost", wire.clients_port) as (proxy, port),
        wire.client_at(port) as client,
    ):
        held = [await accepted(replace(wire, clients=client)) for _ in range(2)]
        assert isinstance(await end_of(watch(wire)), ResourceExhaustedError)

        proxy.cut()

        again = [await accepted(wire) for _ in range(2)]
        assert isinstance(await end_of(watch(wire)), ResourceExhaustedError)
        for events in (*held, *again):
            await events.aclose()


async def test_a_watch_that_ended_by_itself_leaves_its_place(
    start: Start, application: Application
) -> None:
    for name in ("a", "b"):
        await application.create(a_draft(name=name))
    await application.history.trim()
    async with start(watches_per_subject=1) as wire:
        for _ in range(3):
            error = await end_of(watch(wire, after_resource_version=1))
            assert isinstance(error, ExpiredError)
        await (await accepted(wire)).aclose()


async def test_a_slow_reader_holds_a_few_changes_and_no_more(
    start: Start, application: Application
) -> None:
    """Eighty changes of 200 kB: 16 MB, of which it is sent a part."""
    heavy = {"example.com/heavy": "x" * 200_000}
    await application.create(a_draft(annotations=heavy))
    for number in range(80):
        await application.edit(a_draft(annotations=heavy, description=f"{number}"))
    async with start() as wire:
        sample = wire.metrics.registry.get_sample_value
        modified = {"kind": "SecureValue", "type": "MODIFIED"}
        events = watch(wire)
        await anext(events)
        sent = -1.0
        while sent != (sent := sample("metadata_watch_events_total", modified) or 0):  # noqa: ASYNC110  # a metric tells nobody
            await asyncio.sleep(0.3)

        assert sent < 60
        quick = watch(wire, after_resource_version=80)
        assert (await change_of(quick)).resource_version == 81
        rest = [(await change_of(events)).resource_version for _ in range(80)]
        assert rest == list(range(2, 82))
        for each in (events, quick):
            await each.aclose()


async def test_a_watch_outlives_its_database(
    start: Start, application: Application, database: Database
) -> None:
    """It ends, so that its client goes on from where it was; the process serves on."""
    await application.create(a_draft(name="a"))
    async with start() as wire:
        events = watch(wire)
        assert (await change_of(events)).resource_version == 1
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        try:
            await delete(wire, "a")
        except UnavailableError:
            await delete(wire, "a")
        try:
            seen = (await change_of(events)).resource_version
        except UnavailableError:
            seen = (await change_of(watch(wire, after_resource_version=1))).resource_version

        assert seen == 2
