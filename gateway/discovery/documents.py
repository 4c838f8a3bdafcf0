"""Discovery documents: which groups, versions and resources there are.

Shapes: Kubernetes' meta/v1 (APIVersions, APIGroupList, APIGroup, APIResourceList) and
apidiscovery.k8s.io v2 and v2beta1 (APIGroupDiscoveryList), which tells everything at once.
"""

from collections.abc import Iterable

from gateway.bodies.request_json import JsonObject
from gateway.discovery.groups import Group, Resource

DISCOVERY_GROUP = "apidiscovery.k8s.io"


def api_versions(versions: Iterable[str]) -> JsonObject:
    """Answers `/api`, the place of the group without a name, which has these versions."""
    return {
        "kind": "APIVersions",
        "versions": list(versions),
        "serverAddressByClientCIDRs": [],
    }


def group_list(groups: Iterable[Group]) -> JsonObject:
    """Answers `/apis`."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(group) for group in groups],
    }


def group_document(group: Group) -> JsonObject:
    """Answers `/apis/GROUP`."""
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(group)


def _group(group: Group) -> JsonObject:
    versions = [
        {"groupVersion": group.api_version(version), "version": version}
        for version in group.versions
    ]
    return {"name": group.name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(group: Group, version: str) -> JsonObject:
    """Answers `/apis/GROUP/VERSION`, and `/api/VERSION` for the group without a name."""
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group.api_version(version),
        "resources": [
            entry for resource in group.resources for entry in _resource_entries(resource)
        ],
    }


def _resource_entries(resource: Resource) -> list[JsonObject]:
    """The resource itself and everything below it."""
    kind = resource.kind
    shared: JsonObject = {"namespaced": resource.namespaced, "kind": kind.name}
    whole: JsonObject = {
        "name": kind.plural,
        "singularName": kind.singular,
        "verbs": list(resource.verbs),
    } | _short_names(resource)
    below: list[JsonObject] = [
        {"name": f"{kind.plural}/{sub.name}", "singularName": "", "verbs": list(sub.verbs)}
        for sub in resource.subresources
    ]
    return [entry | shared for entry in (whole, *below)]


def aggregated(groups: Iterable[Group], version: str) -> JsonObject:
    """Answers `/api` and `/apis` for clients that ask for an APIGroupDiscoveryList."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{DISCOVERY_GROUP}/{version}",
        "metadata": {},
        "items": [_group_discovery(group) for group in groups],
    }


def _group_discovery(group: Group) -> JsonObject:
    return {
        "metadata": {"name": group.name, "creationTimestamp": None},
        "versions": [
            {
                "version": version,
                "resources": [
                    _resource_discovery(resource, group, version)
                    for resource in group.resources
                ],
                "freshness": "Current",
            }
            for version in group.versions
        ],
    }


def _resource_discovery(resource: Resource, group: Group, version: str) -> JsonObject:
    kind = resource.kind
    response_kind = {"group": group.name, "version": version, "kind": kind.name}
    entry: JsonObject = {
        "resource": kind.plural,
        "responseKind": response_kind,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(resource.verbs),
    }
    below = [
        {"subresource": sub.name, "responseKind": response_kind, "verbs": list(sub.verbs)}
        for sub in resource.subresources
    ]
    return entry | _short_names(resource) | ({"subresources": below} if below else {})


def _short_names(resource: Resource) -> JsonObject:
    return {"shortNames": list(resource.short_names)} if resource.short_names else {}
