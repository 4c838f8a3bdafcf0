"""Lists: every item once, a page at a time, and never half a list that looks whole."""

import asyncio
import contextlib
import json
from typing import Any

import httpx2
import pytest

from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from tests.fakes.gateway.services import ADMIN, Store
from tests.integration.gateway.conftest import BASE, VALUES, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 250
LIST = f"GET {VALUES} HTTP/1.1\r\nHost: localhost\r\nX-Access-Token: {ADMIN}\r\n\r\n".encode()


def fill(store: Store, count: int = COUNT, **fields: Any) -> list[str]:
    names = [f"name-{number:05}" for number in range(count)]
    for name in names:
        draft = SecureValueDraft(namespace="default", name=name, description="d", **fields)
        store.put(draft, version=1, dry_run=False)
    return names


def names_in(document: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in document["items"]]


async def test_without_a_limit_every_item_comes_in_one_document(gateway: Gateway) -> None:
    names = fill(gateway.store)

    async with gateway.http() as http:
        answer = await http.get(VALUES)

    document = answer.json()
    assert names_in(document) == names
    assert document["metadata"] == {"resourceVersion": str(COUNT)}
    assert [request.page_size for _, request in gateway.store.calls] == [100, 100, 100]


async def test_an_empty_list_is_a_list(gateway: Gateway) -> None:
    async with gateway.http() as http:
        answer = await http.get(VALUES.replace("v1beta1", "v1"))

    assert answer.json() == {
        "kind": "SecureValueList",
        "apiVersion": "secret.grafana.app/v1",
        "metadata": {"resourceVersion": "0"},
        "items": [],
    }


@pytest.mark.parametrize("limit", [7, 100, 120, 125, 249, 250])
async def test_pages_carry_every_item_once_and_the_first_pages_version(
    gateway: Gateway, limit: int
) -> None:
    names = fill(gateway.store)
    seen: list[str] = []
    versions: set[str] = set()
    token: str | None = ""
    async with gateway.http() as http:
        while token is not None:
            query: dict[str, str | int] = {"limit": limit, "continue": token}
            page = (await http.get(VALUES, params=query)).json()
            seen += names_in(page)
            versions.add(page["metadata"]["resourceVersion"])
            token = page["metadata"].get("continue")
            gateway.store.resource_version += 1

    assert seen == names
    assert versions == {str(COUNT)}


async def test_a_limit_beyond_the_greatest_page_gets_the_greatest(gateway: Gateway) -> None:
    fill(gateway.store, 501)

    async with gateway.http() as http:
        page = (await http.get(VALUES, params={"limit": 100_000})).json()

    assert len(page["items"]) == 500
    assert page["metadata"]["continue"]


async def test_continue_without_a_limit_brings_the_rest(gateway: Gateway) -> None:
    names = fill(gateway.store)
    async with gateway.http() as http:
        page = (await http.get(VALUES, params={"limit": 7})).json()
        token = page["metadata"]["continue"]
        rest = (await http.get(VALUES, params={"continue": token})).json()

    assert names_in(page) + names_in(rest) == names


async def test_a_continue_token_serves_only_the_list_it_came_from(gateway: Gateway) -> None:
    fill(gateway.store, labels={"team": "a"})
    async with gateway.http() as http:
        page = (await http.get(VALUES, params={"limit": 1})).json()
        token = page["metadata"]["continue"]
        other_namespace = await http.get(
            f"{BASE}/namespaces/other/securevalues", params={"continue": token}
        )
        other_selector = await http.get(
            VALUES, params={"continue": token, "labelSelector": "team=a"}
        )
        altered = await http.get(VALUES, params={"continue": "A" + token[1:]})

    codes = {answer.status_code for answer in (other_namespace, other_selector, altered)}
    assert codes == {400}


async def test_a_list_that_fails_midway_is_cut_off_not_ended(gateway: Gateway) -> None:
    fill(gateway.store)
    gateway.store.fail_lists_after = 1

    async with gateway.http() as http:
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.get(VALUES)

    gateway.store.fail_lists_after = len(gateway.store.calls) + 1
    _, received = await gateway.exchange(LIST)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"\r\n0\r\n\r\n" not in received


async def test_a_list_that_fails_at_once_is_a_status(gateway: Gateway) -> None:
    gateway.store.fail_lists_after = 0

    async with gateway.http() as http:
        answer = await http.get(VALUES)

    assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")


async def test_a_reader_that_stops_reading_is_cut_off_and_no_more_pages_are_fetched(
    gateway: Gateway,
) -> None:
    fill(gateway.store, 2_000, annotations={"filler": "f" * 20_000})
    async with gateway.connection() as (reader, writer):
        writer.write(LIST)
        await reader.readuntil(b"\r\n\r\n")
        fetched = 0
        while fetched != len(gateway.store.calls):  # until it has stopped for a while
            fetched = len(gateway.store.calls)
            await asyncio.sleep(1)

        assert fetched < 20
        with contextlib.suppress(ConnectionError):
            assert not (await reader.read()).endswith(b"\r\n0\r\n\r\n")
    assert len(gateway.store.calls) == fetched


async def test_label_and_decrypter_selectors_reach_metadata_whole(gateway: Gateway) -> None:
    query = {"labelSelector": "team=a, stage == b", "fieldSelector": "spec.decrypter=k6-cloud"}

    async with gateway.http() as http:
        answer = await http.get(VALUES, params=query)

    (_, request), *_ = gateway.store.calls
    assert answer.status_code == 200
    assert dict(request.labels) == {"team": "a", "stage": "b"}
    assert request.decrypter == "k6-cloud"


@pytest.mark.parametrize(
    "query",
    [
        "labelSelector=team",
        "labelSelector=!team",
        "labelSelector=team!=a",
        "labelSelector=team in (a,b)",
        "labelSelector=team=a,team=b",
        "labelSelector=a=1&labelSelector=b=2",
        "fieldSelector=metadata.name=a",
        "fieldSelector=spec.decrypter!=a",
        "fieldSelector=spec.decrypter=a,spec.decrypter=b",
        "limit=-1",
        "limit=1.5",
        "limit=" + "9" * 30,
        "continue=abc",
        "continue=%C3%A9",
        "resourceVersionMatch=Exact&resourceVersion=1",
    ],
)
async def test_a_list_that_cannot_be_given_as_asked_is_refused(
    gateway: Gateway, query: str
) -> None:
    async with gateway.http() as http:
        answer = await http.get(f"{VALUES}?{query}")

    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
    assert gateway.store.calls == []


async def test_what_kubectl_sends_beside_is_accepted(gateway: Gateway) -> None:
    query = "limit=500&resourceVersion=0&timeout=32s&pretty=false&watch=false&unknown=1"

    async with gateway.http() as http:
        answer = await http.get(f"{VALUES}?{query}")

    assert answer.status_code == 200
    assert json.loads(answer.content)["items"] == []
