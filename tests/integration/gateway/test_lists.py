"""Lists: every item once, a page at a time, and never half a list that looks whole."""

import asyncio
import contextlib
import json
from typing import Any

import httpx2
import pytest

from gateway.kinds import SECURE_VALUE
from gateway.selectors.selection import selector_from
from protos.splitkeep.metadata.v1.keepers_pb2 import KeeperDraft
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from tests.fakes.gateway.services import ADMIN, Store
from tests.integration.gateway.conftest import BASE, KEEPERS, VALUES, Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 250
EXACT = "&resourceVersionMatch=Exact"
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
        other_search = await http.get(VALUES, params={"continue": token, "search": "name"})
        other_order = await http.get(VALUES, params={"continue": token, "sortBy": "-name"})
        altered = await http.get(VALUES, params={"continue": "A" + token[1:]})

    refused = (other_namespace, other_selector, other_search, other_order, altered)
    codes = {answer.status_code for answer in refused}
    assert codes == {400}


@pytest.mark.parametrize("sort_by", ["name", "-name", "created", "-created", "-modified"])
@pytest.mark.parametrize("limit", [0, 3, 100, 120])
async def test_pages_of_a_search_carry_what_is_found_once_and_in_order(
    gateway: Gateway, sort_by: str, limit: int
) -> None:
    found = [name for name in fill(gateway.store) if name.startswith("name-0020")]
    expected = sorted(found, reverse=sort_by.startswith("-"))  # all were made in one moment
    seen: list[str] = []
    query: dict[str, str | int] = {"search": "0020", "sortBy": sort_by, "limit": limit}
    async with gateway.http() as http:
        while True:
            page = (await http.get(VALUES, params=query)).json()
            seen += names_in(page)
            if "continue" not in page["metadata"]:
                break
            query["continue"] = page["metadata"]["continue"]

    assert len(found) == 10
    assert seen == expected


async def test_a_page_with_an_order_is_as_short_as_metadata_made_it(gateway: Gateway) -> None:
    names = fill(gateway.store)
    gateway.store.longest_page = 2
    async with gateway.http() as http:
        ordered = (await http.get(VALUES, params={"limit": 5, "sortBy": "created"})).json()
        plain = (await http.get(VALUES, params={"limit": 5})).json()
        whole = (await http.get(VALUES, params={"sortBy": "created"})).json()

    assert names_in(ordered) == names[:2]
    assert ordered["metadata"]["continue"]
    assert names_in(plain) == names[:5]
    assert names_in(whole) == names


async def test_capitals_are_searched_for_as_small_letters(gateway: Gateway) -> None:
    fill(gateway.store, 3)
    async with gateway.http() as http:
        page = (await http.get(VALUES, params={"search": "NAME-00002"})).json()

    assert names_in(page) == ["name-00002"]


@pytest.mark.parametrize("query", [{"search": "name"}, {"sortBy": "created"}])
async def test_a_release_of_metadata_without_orderings_answers_no_list_in_place_of_one(
    gateway: Gateway, query: dict[str, str]
) -> None:
    fill(gateway.store, 3)
    gateway.store.knows_orderings = False
    async with gateway.http() as http:
        ordered = await http.get(VALUES, params=query)
        plain = await http.get(VALUES, params={"limit": 2})
        rest = await http.get(
            VALUES, params={"limit": 2, "continue": plain.json()["metadata"]["continue"]}
        )

    assert ordered.status_code == 503
    assert names_in(plain.json()) + names_in(rest.json()) == [
        f"name-{number:05}" for number in range(3)
    ]


@pytest.mark.parametrize(
    ("method", "path", "rule"),
    [
        ("GET", f"{VALUES}?sortBy=size", "sortBy: must be name, created, modified, or one of"),
        ("GET", f"{VALUES}?sortBy=--name", "sortBy: must be name"),
        ("GET", f"{VALUES}?sortBy=Name", "sortBy: must be name"),
        ("GET", f"{VALUES}?sortBy=name&sortBy=created", "sortBy: must be given once"),
        ("GET", f"{VALUES}?search={'a' * 254}", "search: must be at most 253 characters"),
        ("GET", f"{VALUES}?search=%00", "search: must be at most 253 characters and no NUL"),
        ("GET", f"{VALUES}?watch=1&search=a", "search: is for lists, not for watches"),
        ("GET", f"{VALUES}?watch=1&sortBy=name", "sortBy: is for lists, not for watches"),
        ("DELETE", f"{VALUES}?search=a", "search: is for lists; a collection is deleted by"),
        ("DELETE", f"{VALUES}?sortBy=name", "sortBy: is for lists; a collection is deleted"),
        ("GET", f"{KEEPERS}?search=a", "search: is for lists of secure values"),
        ("GET", f"{KEEPERS}?sortBy=name", "sortBy: is for lists of secure values"),
    ],
)
async def test_what_is_not_searched_or_sorted_is_refused_and_not_passed_over(
    gateway: Gateway, method: str, path: str, rule: str
) -> None:
    fill(gateway.store, 3)
    async with gateway.http() as http:
        answer = await http.request(method, path)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith(rule)
    assert gateway.store.calls == []


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
    def ended() -> float:
        families = gateway.metrics.registry.collect()
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == "http_requests_total"
        )

    fill(gateway.store, 2_000, annotations={"filler": "f" * 20_000})
    before = ended()
    async with gateway.connection() as (reader, writer):
        writer.write(LIST)
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(10):
            while ended() == before:  # noqa: ASYNC110  # it is cut off in the gateway's own time
                await asyncio.sleep(0.01)
        fetched = len(gateway.store.calls)
        assert fetched < 5  # of twenty pages
        with contextlib.suppress(ConnectionError):
            assert not (await reader.read()).endswith(b"\r\n0\r\n\r\n")
    assert len(gateway.store.calls) == fetched


async def test_selectors_reach_metadata_whole(gateway: Gateway) -> None:
    query = {
        "labelSelector": "team in (b, a), !stage",
        "fieldSelector": "spec.decrypter=k6-cloud,metadata.name!=b",
    }

    async with gateway.http() as http:
        answer = await http.get(VALUES, params=query)

    (_, request), *_ = gateway.store.calls
    assert answer.status_code == 200
    assert request.selector == selector_from(
        label_selector="!stage,team in (a,b)",
        field_selector="metadata.name!=b,spec.decrypter=k6-cloud",
        kind=SECURE_VALUE,
        namespace="default",
    )


async def test_the_namespace_of_the_path_is_the_only_one_selected_from(
    gateway: Gateway,
) -> None:
    names = fill(gateway.store, 3)
    async with gateway.http() as http:
        here = await http.get(f"{VALUES}?fieldSelector=metadata.namespace=default")
        elsewhere = await http.get(f"{VALUES}?fieldSelector=metadata.namespace=other")
    async with gateway.http("no-token") as http:
        refused = await http.get(f"{VALUES}?fieldSelector=metadata.namespace=other")

    assert names_in(here.json()) == names
    assert (elsewhere.status_code, elsewhere.json()["items"]) == (200, [])
    assert elsewhere.json()["metadata"]["resourceVersion"] == "3"
    assert refused.status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        "labelSelector=team=a=b",
        "labelSelector=a=1&labelSelector=b=2",
        "fieldSelector=metadata.uid=a",
        "fieldSelector=spec.description=a",
        "limit=-1",
        "limit=1.5",
        "limit=" + "9" * 30,
        "continue=abc",
        "continue=%C3%A9",
        "resourceVersion=now",
    ],
)
async def test_a_list_that_cannot_be_given_as_asked_is_refused(
    gateway: Gateway, query: str
) -> None:
    async with gateway.http() as http:
        answer = await http.get(f"{VALUES}?{query}")

    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
    assert gateway.store.calls == []


async def test_parameters_that_do_not_go_together_are_invalid(gateway: Gateway) -> None:
    async with gateway.http() as http:
        answer = await http.get(f"{VALUES}?resourceVersionMatch=Exact&sendInitialEvents=true")

    status = answer.json()
    assert (answer.status_code, status["reason"]) == (422, "Invalid")
    assert [(c["field"], c["reason"]) for c in status["details"]["causes"]] == [
        ("resourceVersionMatch", "FieldValueForbidden"),
        ("sendInitialEvents", "FieldValueForbidden"),
    ]


@pytest.mark.parametrize("match", ["", "&resourceVersionMatch=NotOlderThan", EXACT])
@pytest.mark.parametrize("limit", ["", "&limit=2", "&limit=3&labelSelector=team=nobody"])
async def test_a_list_is_as_new_as_asked_or_there_is_none(
    gateway: Gateway, match: str, limit: str
) -> None:
    fill(gateway.store, 3)
    async with gateway.http() as http:
        same = await http.get(f"{VALUES}?resourceVersion=3{match}{limit}")
        later = await http.get(f"{VALUES}?resourceVersion=4{match}{limit}")

    assert same.status_code == 200
    status = later.json()
    assert (later.status_code, status["reason"]) == (504, "Timeout")
    assert status["details"]["retryAfterSeconds"] == 1
    assert status["details"]["causes"] == [
        {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    ]


@pytest.mark.parametrize("limit", ["", "&limit=2"])
async def test_an_exact_list_is_of_the_present_or_expired(gateway: Gateway, limit: str) -> None:
    names = fill(gateway.store, 3)
    exact = f"{VALUES}?resourceVersionMatch=Exact{limit}&resourceVersion="
    async with gateway.http() as http:
        present = await http.get(f"{exact}3")
        past = await http.get(f"{exact}2")

    assert names_in(present.json()) == names[: 2 if limit else 3]
    assert (past.status_code, past.json()["reason"]) == (410, "Expired")


async def test_every_page_of_an_exact_list_is_of_one_state(gateway: Gateway) -> None:
    fill(gateway.store, 3)
    async with gateway.http() as http:
        page = (await http.get(f"{VALUES}?resourceVersion=3&limit=1")).json()
        query = {"continue": page["metadata"]["continue"], "limit": 1}
        second = await http.get(VALUES, params=query)
        gateway.store.resource_version += 1
        third = await http.get(VALUES, params=query)

    assert second.status_code == 200
    assert (third.status_code, third.json()["reason"]) == (410, "Expired")


async def test_a_page_of_a_state_that_was_lost_is_expired_and_not_still_to_come(
    gateway: Gateway,
) -> None:
    """As after a restored backup: to wait for that state would be to wait for another."""
    fill(gateway.store, 3)
    async with gateway.http() as http:
        page = (await http.get(f"{VALUES}?resourceVersion=3&limit=1")).json()
        gateway.store.resource_version = 2
        query = {"continue": page["metadata"]["continue"], "limit": 1}
        second = await http.get(VALUES, params=query)

    assert (second.status_code, second.json()["reason"]) == (410, "Expired")


async def test_a_list_whose_history_is_gone_does_not_go_on(gateway: Gateway) -> None:
    fill(gateway.store, 3)
    async with gateway.http() as http:
        page = (await http.get(f"{VALUES}?limit=1")).json()
        gateway.store.trimmed = gateway.store.resource_version + 1
        query = {"continue": page["metadata"]["continue"], "limit": 1}
        answer = await http.get(VALUES, params=query)

    assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")
    since = [request.since_resource_version for _, request in gateway.store.calls]
    assert since == [0, 3]


async def test_a_page_of_great_objects_is_shorter_than_its_limit(gateway: Gateway) -> None:
    names = fill(gateway.store, 250, annotations={"filler": "f" * 100_000})
    async with gateway.http() as http:
        page = (await http.get(VALUES, params={"limit": 250})).json()
        query = {"limit": 250, "continue": page["metadata"]["continue"]}
        after = (await http.get(VALUES, params=query)).json()

    assert len(page["items"]) == 100
    assert names_in(page) + names_in(after) == names[:200]


async def test_keepers_are_listed_as_secure_values_are(gateway: Gateway) -> None:
    for name in ("b", "a", "c"):
        gateway.store.put_keeper(KeeperDraft(namespace="default", name=name, description="d"))
    keepers = VALUES.replace("securevalues", "keepers")
    async with gateway.http() as http:
        page = (await http.get(keepers, params={"limit": 2})).json()
        query = {"limit": 2, "continue": page["metadata"]["continue"]}
        rest = (await http.get(keepers, params=query)).json()
        of_values = await http.get(VALUES, params=query)
        by_decrypter = await http.get(f"{keepers}?fieldSelector=spec.decrypter=a")

    assert page["kind"] == "KeeperList"
    assert names_in(page) + names_in(rest) == ["a", "b", "c"]
    assert [of_values.status_code, by_decrypter.status_code] == [400, 400]


@pytest.mark.parametrize("query", ["", "?watch=true"])
async def test_nothing_is_read_over_all_namespaces(gateway: Gateway, query: str) -> None:
    async with gateway.http() as http:
        for plural in ("securevalues", "keepers"):
            answer = await http.get(f"{BASE}/{plural}{query}")
            assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")


@pytest.mark.parametrize(
    ("query", "code"),
    [("", 200), ("?resourceVersion=0", 200), ("?resourceVersion=1", 200),
     ("?resourceVersion=now", 400), ("?resourceVersion=1&resourceVersion=2", 400)],
)  # fmt: skip
async def test_one_object_is_read_as_it_is_now(gateway: Gateway, query: str, code: int) -> None:
    (name,) = fill(gateway.store, 1)
    async with gateway.http() as http:
        answer = await http.get(f"{VALUES}/{name}{query}")

    assert answer.status_code == code


async def test_what_kubectl_sends_beside_is_accepted(gateway: Gateway) -> None:
    query = "limit=500&resourceVersion=0&timeout=32s&pretty=false&watch=false&unknown=1"

    async with gateway.http() as http:
        answer = await http.get(f"{VALUES}?{query}")

    assert answer.status_code == 200
    assert json.loads(answer.content)["items"] == []
