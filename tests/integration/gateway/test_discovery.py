"""What clients ask before anything else, with no token at all."""

import gzip
import json
import re
from typing import Any

import pytest

from tests.integration.gateway.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
KUBECTL = f"{AGGREGATED.format('v2')},{AGGREGATED.format('v2beta1')},application/json"
PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
V1BETA1 = "/openapi/v3/apis/secret.grafana.app/v1beta1"


async def get(gateway: Gateway, path: str, **headers: str) -> Any:
    async with gateway.http(token=None) as http:
        return await http.get(path, headers=headers)


async def test_grafanas_clients_are_told_that_all_is_well(gateway: Gateway) -> None:
    """gcx parses the version and refuses to speak to what is older than 12.0.0."""
    answer = await get(gateway, "/api/health")

    told = answer.json()
    assert (answer.status_code, told["database"]) == (200, "ok")
    assert re.fullmatch(r"1[2-9]\.\d+\.\d+\+splitkeep-[0-9A-Za-z.-]+", told["version"])


KUBECTL_AGENTS = {
    "kubectl": "kubectl/v1.32.4 (linux/amd64) kubernetes/59526cd",
    "kubectl under another name": "kubectl-1.33/v1.33.0 (linux/amd64) kubernetes/abc",
    "kubectl on Windows": "kubectl.exe/v1.30.1 (windows/amd64) kubernetes/6911225",
}
GRAFANA_AGENTS = {
    "gcx": "gcx/v0.4.0 (linux/amd64) kubernetes/$Format",
    "grafanactl": "grafanactl/v0.1.7 (darwin/arm64) kubernetes/$Format",
    "Terraform": "Terraform/1.11.4 terraform-provider-grafana/4.26.0",
    "a name that has kubectl in it": "my-kubectl/v1",
}


@pytest.mark.parametrize("accept", [KUBECTL, "application/json, */*"])
@pytest.mark.parametrize("agent", GRAFANA_AGENTS)
async def test_a_client_of_grafana_finds_only_versions_of_groups(
    gateway: Gateway, agent: str, accept: str
) -> None:
    """gcx and grafanactl split every version at its slash and end where there is none."""
    headers = {"user-agent": GRAFANA_AGENTS[agent], "accept": accept}

    listed = [(await get(gateway, path, **headers)).json() for path in ("/api", "/apis")]

    versions = [version for document in listed for version in group_versions(document)]
    assert len(versions) >= 3
    assert all(version.count("/") == 1 and version.split("/")[0] for version in versions)


@pytest.mark.parametrize("accept", [KUBECTL, "application/json, */*"])
@pytest.mark.parametrize(
    ("path", "agent"),
    [
        *(("/api", agent) for agent in KUBECTL_AGENTS.values()),
        ("/k8s/api", KUBECTL_AGENTS["kubectl"]),
        ("/k8s/api", "python-httpx"),
    ],
)
async def test_kubectl_finds_the_version_of_the_group_without_a_name(
    gateway: Gateway, path: str, agent: str, accept: str
) -> None:
    found = await get(gateway, path, **{"user-agent": agent, "accept": accept})

    assert group_versions(found.json()) == ["v1"]
    assert "user-agent" in found.headers["vary"]


def group_versions(document: Any) -> list[str]:
    """As client-go makes them of `/api` and `/apis`, in either form."""
    if document["kind"] == "APIVersions":
        return list(document["versions"])
    if document["kind"] == "APIGroupList":
        return [
            each["groupVersion"] for group in document["groups"] for each in group["versions"]
        ]
    names = [(group["metadata"].get("name", ""), group) for group in document["items"]]
    return [
        f"{name}/{each['version']}" if name else each["version"]
        for name, group in names
        for each in group["versions"]
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/apis",
        "/apis/secret.grafana.app/v1beta1",
        "/openapi/v3",
        "/openapi/v2",
        "/version",
        "/healthz",
        "/livez",
        "/bootdata",
    ],
)
async def test_every_document_is_the_same_below_the_prefix(gateway: Gateway, path: str) -> None:
    assert (await get(gateway, f"/k8s{path}")).content == (await get(gateway, path)).content


@pytest.mark.parametrize("path", ["/k8s", "/k8s/", "/k8s/k8s/api", "/k8sapi", "/k8s/apis/x"])
async def test_the_prefix_is_no_path_of_its_own(gateway: Gateway, path: str) -> None:
    assert (await get(gateway, path)).status_code == 404


async def test_the_prefix_changes_nothing_of_an_access_decision(gateway: Gateway) -> None:
    path = "/k8s/apis/secret.grafana.app/v1beta1/namespaces/default/securevalues"
    async with gateway.http(token=None) as nobody, gateway.http() as admin:
        assert (await nobody.get(path)).status_code == 401
        assert (await admin.get(path)).status_code == 200


async def test_the_group_without_a_name_has_a_version_and_nothing_in_it(
    gateway: Gateway,
) -> None:
    """Without it, kubectl can read no document of `apiVersion: v1` and `kind: List`."""
    versions = (await get(gateway, "/k8s/api")).json()
    resources = (await get(gateway, "/k8s/api/v1")).json()

    assert (versions["kind"], versions["versions"]) == ("APIVersions", ["v1"])
    assert resources == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "v1",
        "resources": [],
    }


@pytest.mark.parametrize("path", ["/apis", "/apis/"])
async def test_the_groups_are_listed_with_v1beta1_preferred(
    gateway: Gateway, path: str
) -> None:
    listed = (await get(gateway, path)).json()

    groups = {group["name"]: group for group in listed["groups"]}
    assert (listed["kind"], listed["apiVersion"]) == ("APIGroupList", "v1")
    assert groups.keys() == {
        "secret.grafana.app",
        "authorization.k8s.io",
        "authentication.k8s.io",
    }
    assert groups["secret.grafana.app"]["versions"] == [
        {"groupVersion": "secret.grafana.app/v1beta1", "version": "v1beta1"},
        {"groupVersion": "secret.grafana.app/v1", "version": "v1"},
    ]
    assert groups["secret.grafana.app"]["preferredVersion"]["version"] == "v1beta1"


async def test_a_group_says_the_same_for_itself(gateway: Gateway) -> None:
    listed = (await get(gateway, "/apis")).json()["groups"][0]

    found = (await get(gateway, "/apis/secret.grafana.app")).json()

    assert found == {"kind": "APIGroup", "apiVersion": "v1"} | listed


@pytest.mark.parametrize("version", ["v1beta1", "v1"])
async def test_a_version_lists_its_resources(gateway: Gateway, version: str) -> None:
    found = (await get(gateway, f"/apis/secret.grafana.app/{version}")).json()

    assert found == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"secret.grafana.app/{version}",
        "resources": [
            {
                "name": "keepers",
                "singularName": "keeper",
                "namespaced": True,
                "kind": "Keeper",
                "verbs": ALL_VERBS,
                "shortNames": ["kp"],
            },
            {
                "name": "keepers/activate",
                "singularName": "",
                "namespaced": True,
                "kind": "Keeper",
                "verbs": ["create"],
            },
            {
                "name": "keepers/edit",
                "singularName": "",
                "namespaced": True,
                "kind": "Keeper",
                "verbs": ["create"],
            },
            {
                "name": "securevalues",
                "singularName": "securevalue",
                "namespaced": True,
                "kind": "SecureValue",
                "verbs": ALL_VERBS,
                "shortNames": ["sv"],
            },
            {
                "name": "securevalues/edit",
                "singularName": "",
                "namespaced": True,
                "kind": "SecureValue",
                "verbs": ["create"],
            },
        ],
    }


async def test_the_reviews_are_resources_of_their_own_group(gateway: Gateway) -> None:
    found = (await get(gateway, "/apis/authorization.k8s.io/v1")).json()

    assert [
        (entry["name"], entry["namespaced"], entry["verbs"]) for entry in found["resources"]
    ] == [
        ("selfsubjectaccessreviews", False, ["create"]),
        ("selfsubjectrulesreviews", False, ["create"]),
    ]


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
async def test_everything_is_told_at_once_to_who_asks_for_it(
    gateway: Gateway, version: str
) -> None:
    answer = await get(gateway, "/apis", Accept=AGGREGATED.format(version))

    found = answer.json()
    secrets = found["items"][0]
    keepers = secrets["versions"][0]["resources"][0]
    assert answer.headers["content-type"] == AGGREGATED.format(version)
    assert found["apiVersion"] == f"apidiscovery.k8s.io/{version}"
    assert [each["version"] for each in secrets["versions"]] == ["v1beta1", "v1"]
    assert (keepers["resource"], keepers["scope"], keepers["verbs"]) == (
        "keepers",
        "Namespaced",
        ALL_VERBS,
    )
    below = [each["subresource"] for each in keepers["subresources"]]
    assert below == ["activate", "edit"]


async def test_kubectl_gets_the_newest_form_that_it_names(gateway: Gateway) -> None:
    answers = [await get(gateway, path, Accept=KUBECTL) for path in ("/k8s/api", "/apis")]

    assert [answer.headers["content-type"] for answer in answers] == 2 * [
        AGGREGATED.format("v2")
    ]
    (core,) = answers[0].json()["items"]
    assert core["metadata"]["name"] == ""
    assert core["versions"] == [{"version": "v1", "resources": [], "freshness": "Current"}]


async def test_a_form_that_there_is_not_is_passed_over(gateway: Gateway) -> None:
    newer = AGGREGATED.format("v3")

    plain = await get(gateway, "/apis", Accept=f"{newer},application/json")
    neither = await get(gateway, "/apis", Accept=newer)

    assert plain.json()["kind"] == "APIGroupList"
    assert (neither.status_code, neither.json()["reason"]) == (406, "NotAcceptable")


@pytest.mark.parametrize("path", ["/version", "/version/"])
async def test_the_version_has_every_field_that_clients_look_for(
    gateway: Gateway, path: str
) -> None:
    found = (await get(gateway, path)).json()

    assert found["gitVersion"].startswith("v1.")
    assert found.keys() == {
        *("major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate"),
        *("goVersion", "compiler", "platform"),
    }


async def test_clients_are_told_which_namespace_is_theirs(gateway: Gateway) -> None:
    found = (await get(gateway, "/bootdata")).json()

    assert found == {"settings": {"namespace": "default"}}


async def test_the_index_names_each_description_with_its_hash(gateway: Gateway) -> None:
    index = (await get(gateway, "/openapi/v3")).json()["paths"]

    assert index.keys() == {
        "apis/secret.grafana.app/v1beta1",
        "apis/secret.grafana.app/v1",
        "apis/authorization.k8s.io/v1",
        "apis/authentication.k8s.io/v1",
    }
    for name, entry in index.items():
        path, _, tag = entry["serverRelativeURL"].partition("?hash=")
        answer = await get(gateway, entry["serverRelativeURL"])
        assert path == f"/openapi/v3/{name}"
        assert answer.json()["openapi"] == "3.0.3"
        assert tag in answer.headers["etag"]
        assert "immutable" in answer.headers["cache-control"]


async def test_a_description_without_the_right_hash_is_asked_for_again_each_time(
    gateway: Gateway,
) -> None:
    plain = await get(gateway, V1BETA1)
    stale = await get(gateway, f"{V1BETA1}?hash=0")

    for answer in (plain, stale):
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


async def test_a_client_that_has_the_description_is_not_sent_it(gateway: Gateway) -> None:
    tag = (await get(gateway, V1BETA1)).headers["etag"]

    answers = [
        await get(gateway, V1BETA1, **{"If-None-Match": tags})
        for tags in (tag, f'"other", W/{tag}', "*", '"other"')
    ]

    assert [answer.status_code for answer in answers] == [304, 304, 304, 200]
    assert answers[0].content == b""
    assert answers[0].headers["etag"] == tag


async def test_a_description_is_compressed_for_who_reads_it(gateway: Gateway) -> None:
    async with (
        gateway.http(token=None) as http,
        http.stream("GET", V1BETA1, headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        compressed = b"".join([part async for part in answer.aiter_raw()])
    plain = await get(gateway, V1BETA1, **{"Accept-Encoding": "identity"})
    refused = await get(gateway, V1BETA1, **{"Accept-Encoding": "gzip;q=0"})

    assert answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"]
    assert gzip.decompress(compressed) == plain.content == refused.content
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize("accept", ["*/*", "application/json", f"application/json,{PROTOBUF}"])
async def test_the_older_description_is_told_in_json(gateway: Gateway, accept: str) -> None:
    found = await get(gateway, "/openapi/v2", Accept=accept)

    assert found.headers["content-type"] == "application/json"
    assert found.json()["swagger"] == "2.0"
    assert "app.grafana.secret.v1beta1.SecureValue" in found.json()["definitions"]


@pytest.mark.parametrize("accept", [PROTOBUF, f"{PROTOBUF},application/json"])
async def test_the_older_description_in_protobuf_describes_nothing(
    gateway: Gateway, accept: str
) -> None:
    """Field 1, `swagger`: enough for kubectl, which fails where it is answered with 406."""
    found = await get(gateway, "/openapi/v2", Accept=accept)

    assert found.status_code == 200
    assert found.headers["content-type"] == PROTOBUF.replace("@", ".")
    assert found.content == b"\x0a\x032.0"


@pytest.mark.parametrize("accept", ["text/html", f"{PROTOBUF};q=0"])
async def test_the_older_description_has_no_other_form(gateway: Gateway, accept: str) -> None:
    refused = await get(gateway, "/openapi/v2", Accept=accept)

    assert (refused.status_code, json.loads(refused.content)["kind"]) == (406, "Status")


async def test_discovery_cannot_be_written(gateway: Gateway) -> None:
    async with gateway.http() as http:
        answer = await http.post("/apis", json={})

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_every_resource_that_is_told_of_is_there(gateway: Gateway) -> None:
    """A path that discovery names is never 404 or 405 for a verb that it names."""
    methods = {"create": "POST", "list": "GET", "deletecollection": "DELETE"}
    async with gateway.http() as http:
        for version in ("v1beta1", "v1"):
            base = f"/apis/secret.grafana.app/{version}"
            for resource in (await http.get(base)).json()["resources"]:
                for verb in set(resource["verbs"]) & methods.keys():
                    place = resource["name"].replace("/", "/system/")
                    path = f"{base}/namespaces/default/{place}?dryRun=All"
                    answer = await http.request(methods[verb], path)
                    assert answer.status_code not in {404, 405}, (verb, path, answer.text)
