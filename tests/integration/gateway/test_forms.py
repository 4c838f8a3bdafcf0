"""The forms of one answer: tables, metadata alone, YAML, gzip, pretty; errors in each."""

import gzip
import json
import re
from typing import Any

import httpx2
import pytest
import yaml

from tests.fakes.gateway.services import READER
from tests.integration.gateway.conftest import BASE, VALUES, Gateway
from tests.integration.gateway.test_lists import fill, names_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
ALONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
ALONE_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
YAML = "application/yaml"
KEEPERS = VALUES.replace("securevalues", "keepers")


async def get(gateway: Gateway, path: str, accept: str, **headers: str) -> httpx2.Response:
    async with gateway.http() as http:
        return await http.get(path, headers={"accept": accept, **headers})


@pytest.mark.parametrize("limit", ["", "?limit=500"])
async def test_kubectl_gets_a_table(gateway: Gateway, limit: str) -> None:
    names = fill(gateway.store, 3, decrypters=["k6-cloud"])

    answer = await get(gateway, VALUES + limit, TABLE)

    table = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert table["metadata"] == {"resourceVersion": "3"}
    assert [row["cells"][0] for row in table["rows"]] == names
    assert [row["object"]["metadata"]["name"] for row in table["rows"]] == names
    ages = [row["cells"][5] for row in table["rows"]]
    assert all(re.fullmatch(r"[0-9]+[smhdy]([0-9]+[smhd])?", age) for age in ages)


async def test_a_page_as_a_table_goes_on_as_the_list_would(gateway: Gateway) -> None:
    names = fill(gateway.store, 3)

    table = (await get(gateway, f"{VALUES}?limit=2", TABLE)).json()
    token = table["metadata"]["continue"]
    rest = await get(gateway, f"{VALUES}?continue={token}", "application/json")

    assert [row["cells"][0] for row in table["rows"]] == names[:2]
    assert names_in(rest.json()) == names[2:]


async def test_one_object_is_a_table_of_one_row(gateway: Gateway) -> None:
    fill(gateway.store, 1)

    table = (await get(gateway, f"{VALUES}/name-00000?includeObject=Object", TABLE)).json()

    assert [row["object"]["kind"] for row in table["rows"]] == ["SecureValue"]


async def test_metadata_alone_of_one_and_of_many(gateway: Gateway) -> None:
    fill(gateway.store, 2)

    one = (await get(gateway, f"{VALUES}/name-00000", ALONE)).json()
    many = (await get(gateway, VALUES, ALONE_LIST)).json()
    neither = await get(gateway, f"{VALUES}/name-00000", ALONE_LIST)

    assert (one["kind"], set(one)) == (
        "PartialObjectMetadata",
        {"kind", "apiVersion", "metadata"},
    )
    assert many["kind"] == "PartialObjectMetadataList"
    assert many["items"][0] == one
    assert (neither.status_code, neither.json()["reason"]) == (406, "NotAcceptable")


@pytest.mark.parametrize("path", [VALUES, f"{VALUES}?limit=2", f"{VALUES}/name-00000", KEEPERS])
async def test_yaml_says_what_json_says(gateway: Gateway, path: str) -> None:
    fill(gateway.store, 3, labels={"team": "1e3"}, annotations={"text": "a: b\n- c\u00e9"})

    in_yaml = await get(gateway, path, YAML)
    in_json = await get(gateway, path, "application/json")

    assert in_yaml.headers["content-type"] == YAML
    assert yaml.safe_load(in_yaml.content) == in_json.json()


async def test_errors_are_told_in_the_form_that_the_client_reads(gateway: Gateway) -> None:
    missing = f"{VALUES}/missing"
    for accept in (TABLE, ALONE, "application/json"):
        answer = await get(gateway, missing, accept)
        assert answer.headers["content-type"] == "application/json"
        assert (answer.status_code, answer.json()["kind"]) == (404, "Status")
    in_yaml = await get(gateway, missing, YAML)
    unreadable = await get(gateway, missing, "text/html")

    assert in_yaml.headers["content-type"] == YAML
    status = yaml.safe_load(in_yaml.content)
    assert (status["kind"], status["reason"]) == ("Status", "NotFound")
    assert (unreadable.status_code, unreadable.json()["reason"]) == (406, "NotAcceptable")
    assert YAML in unreadable.json()["message"]


async def test_who_takes_yaml_only_is_told_so_before_any_path_is_known(
    gateway: Gateway,
) -> None:
    answer = await get(gateway, "/apis/nothing", YAML)

    assert (answer.status_code, yaml.safe_load(answer.content)["kind"]) == (404, "Status")


@pytest.mark.parametrize("limit", ["", "?limit=500"])
@pytest.mark.parametrize("accept", ["application/json", TABLE, YAML])
async def test_a_long_answer_is_compressed_for_who_can_read_it(
    gateway: Gateway, limit: str, accept: str
) -> None:
    fill(gateway.store, 150)
    short, long = f"{VALUES}/name-00000", VALUES + limit

    packed = await raw(gateway, long, accept, "gzip")
    plain = await raw(gateway, long, accept, "identity")
    unasked = await raw(gateway, short, accept, "gzip")

    assert packed[0]["content-encoding"] == "gzip"
    assert len(packed[1]) * 5 < len(plain[1])
    assert read(gzip.decompress(packed[1]), accept) == read(plain[1], accept)
    assert "content-encoding" not in plain[0]
    assert "content-encoding" not in unasked[0]


async def raw(
    gateway: Gateway, path: str, accept: str, encoding: str
) -> tuple[httpx2.Headers, bytes]:
    headers = {"accept": accept, "accept-encoding": encoding}
    async with gateway.http() as http, http.stream("GET", path, headers=headers) as answer:
        return answer.headers, b"".join([part async for part in answer.aiter_raw()])


def read(text: bytes, accept: str) -> Any:
    return yaml.safe_load(text) if accept == YAML else json.loads(text)


async def test_a_short_list_is_not_compressed(gateway: Gateway) -> None:
    fill(gateway.store, 3)
    headers, body = await raw(gateway, VALUES, "application/json", "gzip")

    assert "content-encoding" not in headers
    assert len(json.loads(body)["items"]) == 3


async def test_pretty_is_for_people(gateway: Gateway) -> None:
    fill(gateway.store, 2)
    for path in (VALUES, f"{VALUES}?limit=1", f"{VALUES}/name-00000"):
        url = f"{path}{'&' if '?' in path else '?'}pretty=true"
        pretty = await get(gateway, url, "application/json")
        plain = await get(gateway, path, "application/json")

        assert pretty.json() == plain.json()
        assert pretty.text.startswith('{\n  "kind": ')
        assert "\n" not in plain.text


async def test_an_unknown_inclusion_is_refused(gateway: Gateway) -> None:
    answer = await get(gateway, f"{VALUES}?includeObject=All", TABLE)

    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")


async def test_who_may_not_read_is_told_in_any_form(gateway: Gateway) -> None:
    async with gateway.http("no-token") as http:
        answer = await http.get(VALUES, headers={"accept": TABLE})
    async with gateway.http(READER) as http:
        created = await http.post(VALUES, headers={"accept": YAML}, json={})

    assert (answer.status_code, answer.json()["kind"]) == (401, "Status")
    assert created.headers["content-type"] == YAML


@pytest.mark.parametrize("accept", [TABLE, YAML, "application/json"])
async def test_a_list_that_fails_midway_is_cut_off_in_every_form(
    gateway: Gateway, accept: str
) -> None:
    fill(gateway.store, 350)
    gateway.store.fail_lists_after = 2

    with pytest.raises(httpx2.RemoteProtocolError):
        await get(gateway, VALUES, accept)


async def test_both_versions_have_the_same_table(gateway: Gateway) -> None:
    fill(gateway.store, 1)
    one = (await get(gateway, VALUES, TABLE)).json()
    other = (await get(gateway, VALUES.replace(BASE, BASE[:-5]), TABLE)).json()

    assert one == other
