"""The OpenAPI documents: complete, consistent, in step with the rules and with discovery."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.discovery.groups import GROUPS
from gateway.openapi.documents import group_version_documents, whole_document
from metadata_svc.domain import keeper_validation, labels, resource_rules, text, validation
from vault_svc.domain.value_rules import MAXIMUM_VALUE_BYTES

DOCUMENTS = group_version_documents()
SECRETS = [f"apis/secret.grafana.app/{version}" for version in ("v1beta1", "v1")]
WHOLE: Any = whole_document()
ACTIONS = {
    "get": "get",
    "list": "list",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "deletecollection",
    "watch": "list",
}


def schemas(document: str) -> Any:
    found: Any = DOCUMENTS[document]
    return found["components"]["schemas"]


def fields(document: str, name: str) -> Any:
    version = document.rpartition("/")[2]
    return schemas(document)[f"app.grafana.secret.{version}.{name}"]["properties"]


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for path, of_path in document["paths"].items():
        for operation in of_path.values():
            yield path, operation


def inner(node: Any) -> Iterator[Any]:
    yield node
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for value in values:
        yield from inner(value)


@pytest.mark.parametrize("document", SECRETS)
def test_every_limit_of_a_secure_value_is_the_services_own(document: str) -> None:
    spec = fields(document, "SecureValueSpec")

    assert spec["description"]["maxLength"] == resource_rules.MAX_DESCRIPTION_LENGTH
    assert spec["description"]["minLength"] == 1
    assert spec["value"]["maxLength"] == MAXIMUM_VALUE_BYTES
    assert spec["decrypters"]["maxItems"] == validation.MAX_DECRYPTERS
    assert spec["decrypters"]["uniqueItems"] is True
    assert spec["decrypters"]["items"]["maxLength"] == text.MAX_LABEL_LENGTH


@pytest.mark.parametrize("document", SECRETS)
def test_every_limit_of_a_keeper_is_the_services_own(document: str) -> None:
    role = fields(document, "KeeperAWSAssumeRole")
    spec = fields(document, "KeeperSpec")

    assert spec["description"]["maxLength"] == resource_rules.MAX_DESCRIPTION_LENGTH
    assert role["assumeRoleArn"]["maxLength"] == keeper_validation.MAX_ROLE_ARN_LENGTH
    assert role["externalID"]["maxLength"] == keeper_validation.MAX_EXTERNAL_ID_LENGTH


@pytest.mark.parametrize("document", SECRETS)
def test_every_limit_of_metadata_is_the_services_own(document: str) -> None:
    meta = schemas(document)["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["properties"]

    assert meta["name"]["maxLength"] == text.MAX_NAME_LENGTH
    # The label that clients built on Grafana's app SDK add is not counted there.
    assert meta["labels"]["maxProperties"] == labels.MAX_LABELS + 1
    assert meta["labels"]["additionalProperties"]["maxLength"] == text.MAX_LABEL_LENGTH


@pytest.mark.parametrize(
    "candidate",
    ["a", "a-b", "a.b", "0", "A", "", "-a", "a-", "a..b", "a.-b", "a_b", "a b", "é", "a\n"],
    ids=repr,
)
def test_the_patterns_take_what_the_services_take(candidate: str) -> None:
    meta = schemas(SECRETS[0])["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["properties"]
    decrypter = fields(SECRETS[0], "SecureValueSpec")["decrypters"]["items"]["pattern"]
    value = meta["labels"]["additionalProperties"]["pattern"]

    assert matches(meta["name"]["pattern"], candidate) == text.is_name(candidate)
    assert matches(decrypter, candidate) == text.is_label(candidate)
    # An empty value of the label that is not counted is let through.
    assert matches(value, candidate) == (text.is_label(candidate) or not candidate)


def matches(pattern: str, candidate: str) -> bool:
    """As JSON Schema has it: `$` is the end, and not also the place before a newline."""
    return re.search(pattern.replace("$", r"\Z"), candidate) is not None


@pytest.mark.parametrize("document", [*DOCUMENTS.values(), WHOLE], ids=[*DOCUMENTS, "v2"])
def test_every_reference_leads_to_a_definition(document: Any) -> None:
    defined = document.get("definitions") or document["components"]["schemas"]
    places = {
        node["$ref"].rpartition("/")[2]
        for node in inner(document)
        if isinstance(node, dict) and "$ref" in node
    }

    assert places == defined.keys()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_field_is_described(document: str) -> None:
    missing = [
        f"{name}.{field}"
        for name, schema in schemas(document).items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description")
    ]

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_one_of_several_kinds_has_a_name(document: str) -> None:
    """Generators of clients name their types after definitions."""
    contents = [
        content["schema"]
        for _, operation in operations(DOCUMENTS[document])
        for answer in operation["responses"].values()
        for content in answer["content"].values()
    ]

    assert contents
    assert [schema for schema in contents if schema.keys() != {"$ref"}] == []


@pytest.mark.parametrize("document", [*DOCUMENTS.values(), WHOLE], ids=[*DOCUMENTS, "v2"])
def test_a_document_says_whose_it_is_and_what_its_tags_mean(document: Any) -> None:
    tags = {tag for _, operation in operations(document) for tag in operation["tags"]}

    assert document["info"]["license"]["name"] == "Apache 2.0"
    assert document["info"]["contact"]["name"]
    assert {tag["name"] for tag in document["tags"]} == tags
    assert all(tag["description"] for tag in document["tags"])
    assert document.get("servers", [{"url": document.get("basePath")}]) == [{"url": "/"}]


def test_no_two_operations_share_an_id() -> None:
    ids = [operation["operationId"] for _, operation in operations(WHOLE)]

    assert len(ids) == len(set(ids)) == 37


def test_both_dialects_have_the_same_operations() -> None:
    newer = {
        (path, operation["operationId"], *operation["responses"])
        for document in DOCUMENTS.values()
        for path, operation in operations(document)
    }

    assert newer == {
        (path, operation["operationId"], *operation["responses"])
        for path, operation in operations(WHOLE)
    }


def test_discovery_tells_of_the_operations_that_are_described_and_no_others() -> None:
    described = {
        (
            operation["x-kubernetes-group-version-kind"]["group"],
            operation["x-kubernetes-group-version-kind"]["version"],
            "/".join(
                part for part in path.split("/")[4:] if part[0] != "{" and part != "namespaces"
            ),
            operation["x-kubernetes-action"],
        )
        for path, operation in operations(WHOLE)
    }

    assert described == {
        (group.name, version, place, ACTIONS[verb])
        for group in GROUPS
        for version in group.versions
        for resource in group.resources
        for place, verbs in (
            (resource.kind.plural, resource.verbs),
            *(
                (f"{resource.kind.plural}/{sub.name}", sub.verbs)
                for sub in resource.subresources
            ),
        )
        for verb in verbs
    }


@pytest.mark.parametrize("document", SECRETS)
def test_whole_objects_can_be_found_by_group_version_and_kind(document: str) -> None:
    version = document.rpartition("/")[2]
    extension = "x-kubernetes-group-version-kind"
    found = {
        name: schema[extension]
        for name, schema in schemas(document).items()
        if extension in schema
    }

    for kind in ("SecureValue", "SecureValueList", "Keeper", "KeeperList"):
        assert found[f"app.grafana.secret.{version}.{kind}"] == [
            {"group": "secret.grafana.app", "version": version, "kind": kind}
        ]
    options = found["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]
    assert {
        "group": "secret.grafana.app",
        "version": version,
        "kind": "DeleteOptions",
    } in options


@pytest.mark.parametrize("document", SECRETS)
def test_what_is_replaced_as_a_whole_says_so(document: str) -> None:
    version = document.rpartition("/")[2]
    aws = schemas(document)[f"app.grafana.secret.{version}.KeeperAWSConfig"]

    assert (
        fields(document, "SecureValueSpec")["decrypters"]["x-kubernetes-list-type"] == "atomic"
    )
    assert aws["x-kubernetes-map-type"] == "atomic"


@pytest.mark.parametrize("document", SECRETS)
def test_strategic_merge_patches_are_not_offered(document: str) -> None:
    patches = [
        o for _, o in operations(DOCUMENTS[document]) if o["x-kubernetes-action"] == "patch"
    ]

    assert [set(patch["requestBody"]["content"]) for patch in patches] == 2 * [
        {
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/apply-patch+yaml",
        }
    ]


def test_every_write_of_an_object_can_be_dry_and_strict() -> None:
    """kubectl falls back to checks of its own where the operation does not say so itself."""
    for _, operation in operations(DOCUMENTS[SECRETS[0]]):
        if operation["x-kubernetes-action"] in {"post", "put", "patch"}:
            given = {parameter["name"] for parameter in operation["parameters"]}
            activating = operation["operationId"].startswith("activate")
            assert given >= {"dryRun"} | (set() if activating else {"fieldValidation"})


def test_a_value_can_be_written_and_is_in_no_answer() -> None:
    assert fields(SECRETS[0], "SecureValueSpec")["value"]["writeOnly"] is True


def test_the_other_providers_of_keepers_are_not_described() -> None:
    assert set(fields(SECRETS[0], "KeeperSpec")) == {"description", "aws"}


def test_every_failure_is_a_status() -> None:
    for document in DOCUMENTS.values():
        for _, operation in operations(document):
            for code, answer in operation["responses"].items():
                if int(code) >= 400:
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema["$ref"].endswith("meta.v1.Status"), (operation, code)
