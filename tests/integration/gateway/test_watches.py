"""Watches: what happens, as it happens, until somebody has had enough."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import yaml
from kubernetes import client as kubernetes_client
from kubernetes import watch as kubernetes_watch

from chassis.errors import (
    ExpiredError,
    KnownError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from gateway.resources.event_streams import OPENING_SECONDS
from protos.splitkeep.metadata.v1.keepers_pb2 import KeeperDraft
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from tests.fakes.gateway.services import ADMIN, CREATOR, Store
from tests.integration.gateway.conftest import VALUES, Gateway
from tests.integration.gateway.test_forms import ALONE, TABLE
from tests.integration.gateway.test_lists import fill

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEEPERS = VALUES.replace("securevalues", "keepers")
ROUTE = "/apis/secret.grafana.app/v1beta1/namespaces/{namespace}/securevalues"
INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
CONCURRENT = 4


def put(store: Store, name: str, **fields: Any) -> None:
    draft = SecureValueDraft(namespace="default", name=name, description="d")
    draft.MergeFrom(SecureValueDraft(**fields))
    store.put(draft, version=1)


def delete(store: Store, name: str) -> None:
    store.remove(store.objects, ("default", name))


class Watching:
    """An open watch, read line by line."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            event: dict[str, Any] = json.loads(await anext(self._lines))
        return event

    async def seen(self) -> tuple[str, str, str]:
        """Type, name and version of the next event."""
        event = await self.next()
        metadata = event["object"]["metadata"]
        return event["type"], metadata.get("name", ""), metadata["resourceVersion"]

    async def rest(self) -> list[dict[str, Any]]:
        async with asyncio.timeout(10):
            return [json.loads(line) async for line in self._lines]


@asynccontextmanager
async def watching(
    gateway: Gateway, query: str = "", *, path: str = VALUES, accept: str = "*/*"
) -> AsyncIterator[Watching]:
    async with gateway.http() as http:
        url = f"{path}?watch=true&{query}"
        async with http.stream("GET", url, headers={"accept": accept}) as answer:
            assert answer.status_code == 200
            yield Watching(answer)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event of its own
            await asyncio.sleep(0.01)


async def refusal(gateway: Gateway, query: str, **headers: str) -> tuple[int, Any]:
    async with gateway.http() as http:
        answer = await http.get(f"{VALUES}?watch=true&{query}", headers=headers)
    return answer.status_code, answer.json()


async def test_a_watch_goes_on_from_a_list(gateway: Gateway) -> None:
    fill(gateway.store, 2)
    async with gateway.http() as http:
        version = (await http.get(VALUES)).json()["metadata"]["resourceVersion"]
    put(gateway.store, "before")

    async with watching(gateway, f"resourceVersion={version}") as watch:
        assert watch.answer.headers["content-type"] == "application/json"
        assert watch.answer.headers["transfer-encoding"] == "chunked"
        assert "content-encoding" not in watch.answer.headers
        assert await watch.seen() == ("ADDED", "before", "3")
        put(gateway.store, "after")
        assert await watch.seen() == ("ADDED", "after", "4")
        put(gateway.store, "after", labels={"team": "a"})
        assert await watch.seen() == ("MODIFIED", "after", "5")
        delete(gateway.store, "name-00000")
        assert await watch.seen() == ("DELETED", "name-00000", "6")


async def test_an_event_has_the_object_as_a_read_would(gateway: Gateway) -> None:
    put(gateway.store, "a", decrypters=["k6-cloud"])
    async with gateway.http() as http:
        read = (await http.get(f"{VALUES}/a")).json()

    async with watching(gateway) as watch:
        event = await watch.next()

    assert event == {"type": "ADDED", "object": read}


@pytest.mark.parametrize("query", ["", "resourceVersion=0", "resourceVersion="])
async def test_a_watch_from_nowhere_begins_with_what_there_is(
    gateway: Gateway, query: str
) -> None:
    names = fill(gateway.store, 2)

    async with watching(gateway, query) as watch:
        assert [(await watch.seen())[1] for _ in names] == names
        put(gateway.store, "later")  # with no bookmark before it: nobody asked for any
        assert await watch.seen() == ("ADDED", "later", "3")


async def test_bookmarks_are_for_who_asks(gateway: Gateway) -> None:
    fill(gateway.store, 1)
    query = "resourceVersion=1"
    async with (
        watching(gateway, f"{query}&allowWatchBookmarks=true") as asks,
        watching(gateway, query) as does_not,
    ):
        event = await asks.next()
        gateway.store.bookmark()
        assert await asks.next() == event
        put(gateway.store, "later")
        assert (await does_not.seen())[0] == "ADDED"

    assert event == {
        "type": "BOOKMARK",
        "object": {
            "kind": "SecureValue",
            "apiVersion": "secret.grafana.app/v1beta1",
            "metadata": {"resourceVersion": "1", "creationTimestamp": None},
        },
    }


async def test_a_watch_is_answered_at_once_though_nothing_happens(gateway: Gateway) -> None:
    fill(gateway.store, 1)
    async with asyncio.timeout(OPENING_SECONDS / 2):
        async with watching(gateway, "resourceVersion=1") as watch:
            assert watch.answer.status_code == 200


async def test_the_end_of_what_there_was_is_told_to_who_asks(gateway: Gateway) -> None:
    fill(gateway.store, 1)

    async with watching(gateway, f"{INITIAL}&allowWatchBookmarks=true") as watch:
        assert await watch.seen() == ("ADDED", "name-00000", "1")
        end = await watch.next()
        put(gateway.store, "later")
        assert await watch.seen() == ("ADDED", "later", "2")
    async with watching(gateway, "allowWatchBookmarks=true") as watch:
        await watch.next()
        await watch.next()
        unasked = await watch.next()
    async with watching(gateway, INITIAL) as watch:
        types = [(await watch.seen())[0] for _ in range(2)]

    annotations = end["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}
    assert end["object"]["metadata"]["resourceVersion"] == "1"
    assert unasked["type"] == "BOOKMARK"
    assert "annotations" not in unasked["object"]["metadata"]
    assert types == ["ADDED", "ADDED"]


async def test_a_watch_may_begin_with_what_comes_next(gateway: Gateway) -> None:
    fill(gateway.store, 2)

    async with watching(gateway, INITIAL.replace("true", "false")) as watch:
        await until(lambda: gateway.store.watching == 1)
        put(gateway.store, "later")
        assert await watch.seen() == ("ADDED", "later", "3")


async def test_a_watch_of_one_name_is_a_watch_with_a_selector(gateway: Gateway) -> None:
    fill(gateway.store, 2)

    async with watching(gateway, "fieldSelector=metadata.name=name-00001") as watch:
        assert await watch.seen() == ("ADDED", "name-00001", "2")
        put(gateway.store, "other")
        delete(gateway.store, "name-00001")
        assert await watch.seen() == ("DELETED", "name-00001", "4")


async def test_what_leaves_the_selector_is_deleted_at_the_version_it_left(
    gateway: Gateway,
) -> None:
    put(gateway.store, "a", labels={"team": "a"})

    async with watching(gateway, "labelSelector=team in (a,b)&resourceVersion=1") as watch:
        put(gateway.store, "a", labels={"team": "c"})
        assert await watch.seen() == ("DELETED", "a", "2")
        put(gateway.store, "a", labels={"team": "b"})
        assert await watch.seen() == ("ADDED", "a", "3")


async def test_keepers_are_watched_as_secure_values_are(gateway: Gateway) -> None:
    gateway.store.put_keeper(KeeperDraft(namespace="default", name="aws", description="d"))
    put(gateway.store, "a")

    async with watching(gateway, path=KEEPERS) as watch:
        assert await watch.seen() == ("ADDED", "aws", "1")
        gateway.store.activate("default", "aws")
        event = await watch.next()

    assert event["type"] == "MODIFIED"
    assert event["object"]["kind"] == "Keeper"
    assert event["object"]["status"] == {"active": True}


async def test_kubectl_watches_tables(gateway: Gateway) -> None:
    fill(gateway.store, 1)
    query = "resourceVersion=0&allowWatchBookmarks=true"

    async with watching(gateway, query, accept=TABLE) as watch:
        added, bookmark = await watch.next(), await watch.next()
        delete(gateway.store, "name-00000")
        deleted = await watch.next()

    assert [event["object"]["kind"] for event in (added, bookmark, deleted)] == ["Table"] * 3
    row = added["object"]["rows"][0]
    assert row["cells"][0] == row["object"]["metadata"]["name"] == "name-00000"
    assert added["object"]["columnDefinitions"][0]["name"] == "Name"
    assert bookmark["type"] == "BOOKMARK"
    version = bookmark["object"]["rows"][0]["object"]["metadata"]["resourceVersion"]
    assert version == bookmark["object"]["metadata"]["resourceVersion"] == "1"
    assert deleted["object"]["metadata"]["resourceVersion"] == "2"


async def test_metadata_alone_can_be_watched(gateway: Gateway) -> None:
    fill(gateway.store, 1)

    async with watching(gateway, accept=ALONE) as watch:
        event = await watch.next()

    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert "spec" not in event["object"]


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        ("resourceVersion=x", 400, "BadRequest"),
        ("labelSelector=a b", 400, "BadRequest"),
        ("fieldSelector=metadata.uid=a", 400, "BadRequest"),
        ("timeoutSeconds=x", 400, "BadRequest"),
        ("sendInitialEvents=true", 422, "Invalid"),
        ("resourceVersionMatch=NotOlderThan", 422, "Invalid"),
        (f"{INITIAL}&resourceVersion=99", 504, "Timeout"),
    ],
)
async def test_a_watch_that_cannot_be_given_as_asked_is_refused(
    gateway: Gateway, query: str, code: int, reason: str
) -> None:
    status, body = await refusal(gateway, query)

    assert (status, body["reason"]) == (code, reason)


async def test_a_watch_is_a_stream_of_json_and_not_of_yaml(gateway: Gateway) -> None:
    async with gateway.http() as http:
        answer = await http.get(f"{VALUES}?watch=1", headers={"accept": "application/yaml"})

    assert (answer.status_code, yaml.safe_load(answer.content)["reason"]) == (
        406,
        "NotAcceptable",
    )


@pytest.mark.parametrize("token", ["no-token", CREATOR])
async def test_who_may_not_read_may_not_watch(gateway: Gateway, token: str) -> None:
    async with gateway.http(token) as http:
        answer = await http.get(f"{VALUES}?watch=true&resourceVersion=0")

    assert answer.json()["reason"] == {"no-token": "Unauthorized"}.get(token, "Forbidden")


async def test_a_watch_whose_history_is_gone_is_refused_at_once(gateway: Gateway) -> None:
    fill(gateway.store, 3)
    gateway.store.trimmed = 2

    status, body = await refusal(gateway, "resourceVersion=1")

    assert (status, body["reason"], body["code"]) == (410, "Expired", 410)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (ExpiredError(), 410, "Expired"),
        (UnauthenticatedError(), 401, "Unauthorized"),
        (PermissionDeniedError(), 403, "Forbidden"),
    ],
)
async def test_what_a_client_must_act_on_is_told_by_a_last_event(
    gateway: Gateway, error: KnownError, code: int, reason: str
) -> None:
    fill(gateway.store, 1)
    async with watching(gateway) as watch:
        await watch.next()
        gateway.store.end_watches(error)
        last = await watch.rest()

    assert [(event["type"], event["object"]["kind"]) for event in last] == [("ERROR", "Status")]
    assert (last[0]["object"]["code"], last[0]["object"]["reason"]) == (code, reason)


async def test_a_watch_that_may_go_on_elsewhere_ends_without_a_word(gateway: Gateway) -> None:
    fill(gateway.store, 1)
    async with watching(gateway) as watch:
        await watch.next()
        gateway.store.end_watches(UnavailableError())
        assert await watch.rest() == []


async def test_a_watch_ends_when_its_client_said_and_the_connection_goes_on(
    gateway: Gateway,
) -> None:
    fill(gateway.store, 1)
    request = (
        f"GET {VALUES}?watch=true&timeoutSeconds=1 HTTP/1.1\r\nHost: localhost\r\n"
        f"X-Access-Token: {ADMIN}\r\n\r\n"
    ).encode()
    async with gateway.connection() as (reader, writer):
        for _ in range(2):
            writer.write(request)
            async with asyncio.timeout(10):
                answer = await reader.readuntil(b"\r\n0\r\n\r\n")
            assert b'"type":"ADDED"' in answer

    await until(lambda: gateway.store.watching == 0)


async def test_one_watch_too_many_comes_again_and_requests_are_served(gateway: Gateway) -> None:
    fill(gateway.store, 1)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(CONCURRENT):
            await stack.enter_async_context(watching(gateway))
        async with gateway.http() as http:
            refused = await http.get(f"{VALUES}?watch=true")
            served = await http.get(VALUES)

    assert (refused.status_code, refused.json()["reason"]) == (429, "TooManyRequests")
    assert refused.headers["retry-after"] == "1"
    assert served.status_code == 200
    await until(lambda: gateway.store.watching == 0)
    async with watching(gateway) as watch:
        await watch.next()


async def test_a_watch_beyond_its_subjects_share_is_told_at_once_and_takes_no_place(
    gateway: Gateway,
) -> None:
    """Who has a share, and how large it is, is metadata's to say: only it verifies tokens."""
    fill(gateway.store, 1)
    clock = asyncio.get_running_loop().time
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(CONCURRENT - 1):
            await stack.enter_async_context(watching(gateway))
        gateway.store.failing_rpcs = {"metadata.Watch": ResourceExhaustedError()}
        began = clock()
        async with gateway.http() as http:
            refused = [await http.get(f"{VALUES}?watch=true") for _ in range(8)]
        seconds = clock() - began
        gateway.store.failing_rpcs = {}
        async with watching(gateway) as other:
            assert await other.seen() == ("ADDED", "name-00000", "1")

    for answer in refused:
        assert (answer.status_code, answer.json()["reason"]) == (429, "TooManyRequests")
        assert answer.headers["retry-after"] == "1"
    assert gateway.store.rpcs().count("metadata.Watch") == CONCURRENT + len(refused)
    assert seconds < OPENING_SECONDS  # so long would each of them hold its place


async def test_a_client_that_goes_ends_the_watch_behind_it(gateway: Gateway) -> None:
    async with watching(gateway, "resourceVersion=0"):
        await until(lambda: gateway.store.watching == 1)

    await until(lambda: gateway.store.watching == 0)


async def test_a_client_that_stops_reading_is_cut_off_and_nothing_is_read_ahead(
    gateway: Gateway,
) -> None:
    request = (
        f"GET {VALUES}?watch=true&resourceVersion=0 HTTP/1.1\r\nHost: localhost\r\n"
        f"X-Access-Token: {ADMIN}\r\n\r\n"
    ).encode()
    fill(gateway.store, 2_000, annotations={"filler": "f" * 20_000})
    async with gateway.connection() as (reader, writer):
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: gateway.store.sent > 0)
        await until(lambda: gateway.store.watching == 0)
        # forty megabytes were there; what fits into buffers on the way was sent
        assert gateway.store.sent < 200
        with contextlib.suppress(ConnectionError):
            assert not (await reader.read()).endswith(b"\r\n0\r\n\r\n")


async def test_watches_end_at_once_when_the_process_drains(gateway: Gateway) -> None:
    fill(gateway.store, 1)
    try:
        async with watching(gateway) as watch:
            await watch.next()
            gateway.draining.set()
            assert await watch.rest() == []
    finally:
        gateway.draining.clear()
    await until(lambda: gateway.store.watching == 0)


async def test_a_watch_is_counted_apart_from_requests(gateway: Gateway) -> None:
    def sample(name: str, **labels: str) -> float:
        found = gateway.metrics.registry.get_sample_value(name, labels)
        return found or 0.0

    counted = {"method": "WATCH", "route": ROUTE, "status": "200"}
    before = sample("http_requests_total", **counted)
    async with watching(gateway, "resourceVersion=0"):
        await until(lambda: gateway.store.watching == 1)
        assert sample("http_watches", route=ROUTE) == 1

    await until(lambda: sample("http_watches", route=ROUTE) == 0)
    await until(lambda: sample("http_requests_total", **counted) == before + 1)
    assert sample("http_request_seconds_count", method="WATCH", route=ROUTE) == 0


@pytest.fixture
def custom_objects(gateway: Gateway) -> Iterator[kubernetes_client.CustomObjectsApi]:
    configuration = kubernetes_client.Configuration(host=gateway.url)
    configuration.ssl_ca_cert = str(gateway.ca)
    configuration.api_key = {"authorization": ADMIN}
    configuration.api_key_prefix = {"authorization": "Bearer"}
    with kubernetes_client.ApiClient(configuration) as api:
        yield kubernetes_client.CustomObjectsApi(api)


PLACE = ("secret.grafana.app", "v1beta1", "default", "securevalues")


async def test_the_python_client_watches(
    gateway: Gateway, custom_objects: kubernetes_client.CustomObjectsApi
) -> None:
    fill(gateway.store, 2)
    seen: list[tuple[str, str]] = []
    first = threading.Event()

    def read() -> None:
        watch = kubernetes_watch.Watch()
        listed: Any = custom_objects.list_namespaced_custom_object(*PLACE)
        version = listed["metadata"]["resourceVersion"]
        events = watch.stream(
            custom_objects.list_namespaced_custom_object,
            *PLACE,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=10,
        )
        first.set()
        for event in events:
            seen.append((event["type"], event["object"]["metadata"].get("name", "")))
            if event["type"] == "DELETED":
                watch.stop()

    reading = asyncio.create_task(asyncio.to_thread(read))
    await until(first.is_set)
    await until(lambda: gateway.store.watching == 1)
    put(gateway.store, "later")
    gateway.store.bookmark()
    await until(lambda: seen.count(("BOOKMARK", "")) == 2)
    delete(gateway.store, "later")
    await reading

    bookmark = ("BOOKMARK", "")
    assert seen == [bookmark, ("ADDED", "later"), bookmark, ("DELETED", "later")]


async def test_the_python_client_is_told_that_it_must_list_again(
    gateway: Gateway, custom_objects: kubernetes_client.CustomObjectsApi
) -> None:
    fill(gateway.store, 3)
    gateway.store.trimmed = 2

    def read() -> list[Any]:
        return list(
            kubernetes_watch.Watch().stream(
                custom_objects.list_namespaced_custom_object,
                *PLACE,
                resource_version="1",
                timeout_seconds=10,
            )
        )

    with pytest.raises(kubernetes_client.ApiException) as refused:
        await asyncio.to_thread(read)
    assert refused.value.status == 410
