"""The official client of Kubernetes for Python, for objects that it has no class for."""

from types import SimpleNamespace
from typing import Any

from kubernetes import client, watch
from kubernetes.informer import SharedInformer

from tests.e2e.clients.kinds import GROUP, Kind, a_manifest

VERSION = "v1beta1"


class Objects:
    """The calls for the objects of one kind in one namespace."""

    def __init__(self, api: client.CustomObjectsApi, namespace: str, kind: Kind) -> None:
        self._api, self._kind = api, kind
        self._where = (GROUP, VERSION, namespace, kind.plural)

    def create(self, name: str, **changes: Any) -> Any:
        manifest = a_manifest(self._kind, name, **changes)
        return self._api.create_namespaced_custom_object(*self._where, manifest)

    def get(self, name: str) -> Any:
        return self._api.get_namespaced_custom_object(*self._where, name)

    def listed(self, **options: Any) -> Any:
        return self._api.list_namespaced_custom_object(*self._where, **options)

    def replace(self, name: str, document: Any) -> Any:
        return self._api.replace_namespaced_custom_object(*self._where, name, document)

    def patch(self, name: str, patch: Any, **options: Any) -> Any:
        return self._api.patch_namespaced_custom_object(*self._where, name, patch, **options)

    def delete(self, name: str) -> Any:
        return self._api.delete_namespaced_custom_object(*self._where, name)

    def delete_all(self, label_selector: str) -> Any:
        return self._api.delete_collection_namespaced_custom_object(
            *self._where, label_selector=label_selector
        )

    def events(self, resource_version: str, seconds: int = 1) -> list[tuple[str, str]]:
        """What a watch tells until the server ends it."""
        stream = watch.Watch().stream(
            self._api.list_namespaced_custom_object,
            *self._where,
            resource_version=resource_version,
            timeout_seconds=seconds,
        )
        return [(event["type"], event["object"]["metadata"]["name"]) for event in stream]

    def informer(self, label_selector: str) -> SharedInformer:
        """Kubernetes' informer, which wants a list with attributes."""

        def listed(**options: Any) -> Any:
            found = self.listed(**options)
            if options.get("watch"):
                return found
            version = found["metadata"]["resourceVersion"]
            return SimpleNamespace(
                items=found["items"], metadata=SimpleNamespace(resource_version=version)
            )

        # The watch reads from it what an event holds.
        listed.__annotations__["return"] = object
        return SharedInformer(listed, label_selector=label_selector)
