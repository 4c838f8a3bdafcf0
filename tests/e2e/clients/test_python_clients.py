"""The official client of Kubernetes for Python manages and watches both kinds."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition
from typing import Any

import pytest
from kubernetes import client, config, dynamic, watch

from tests.e2e.clients.kinds import API_VERSION, SECURE_VALUE, Kind, a_manifest
from tests.e2e.clients.kubectl import check_output
from tests.e2e.clients.official import Objects
from tests.e2e.stack import Stack, a_canary, execute

CHANGE = {"metadata": {"labels": {"team": "a"}}, "spec": {"description": "changed"}}


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[client.ApiClient]:
    """The official client, configured by the file alone."""
    with config.new_client_from_config(config_file=str(kubeconfig)) as connected:
        yield connected


@pytest.fixture
def objects(api: client.ApiClient, namespace: str, kind: Kind) -> Objects:
    return Objects(client.CustomObjectsApi(api), namespace, kind)


def names(document: Any) -> list[str]:
    return [item["metadata"]["name"] for item in document["items"]]


def test_the_official_client_manages_objects(objects: Objects, kind: Kind) -> None:
    created = objects.create("official", labels={"by": "official"})
    assert (created["kind"], created["spec"]) == (kind.name, kind.spec)
    assert objects.get("official") == created
    assert names(objects.listed(label_selector="by=official")) == ["official"]

    changed = objects.patch("official", CHANGE)
    assert changed["spec"]["description"] == "changed"
    assert changed["metadata"]["labels"] == {"by": "official", "team": "a"}

    renamed = [{"op": "replace", "path": "/spec/description", "value": "replaced"}]
    replaced = objects.patch("official", renamed, _content_type="application/json-patch+json")
    assert replaced["spec"]["description"] == "replaced"

    with pytest.raises(client.ApiException) as caught:
        objects.replace("official", created)
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")

    assert objects.delete("official")["status"] == "Success"
    with pytest.raises(client.ApiException) as caught:
        objects.get("official")
    assert caught.value.status == 404


def test_the_official_client_deletes_a_collection(objects: Objects) -> None:
    for name in ("of-many-1", "of-many-2"):
        objects.create(name, labels={"many": "1"})
    objects.create("of-few")

    objects.delete_all("many=1")

    assert names(objects.listed(field_selector="metadata.name=of-few")) == ["of-few"]
    assert names(objects.listed(label_selector="many=1")) == []


def test_a_watch_resumes_where_it_ended(objects: Objects) -> None:
    before = objects.listed()["metadata"]["resourceVersion"]
    objects.create("resumed-1")
    objects.create("resumed-2")
    objects.patch("resumed-2", CHANGE)
    objects.delete("resumed-1")
    assert objects.events(before) == [
        ("ADDED", "resumed-1"),
        ("ADDED", "resumed-2"),
        ("MODIFIED", "resumed-2"),
        ("DELETED", "resumed-1"),
    ]

    middle = objects.get("resumed-2")["metadata"]["resourceVersion"]
    assert objects.events(middle) == [("DELETED", "resumed-1")]


def test_a_watch_from_a_forgotten_version_is_told_to_list_again(
    objects: Objects, stack: Stack, namespace: str
) -> None:
    forgotten = objects.listed()["metadata"]["resourceVersion"]
    objects.create("after-the-list")
    execute(
        stack.info["dsn"]["metadata"], "DELETE FROM changes WHERE namespace = $1", namespace
    )

    with pytest.raises(client.ApiException) as caught:
        objects.events(forgotten)
    assert caught.value.status == 410

    listed = objects.listed()
    assert "after-the-list" in names(listed)
    objects.delete("after-the-list")
    assert objects.events(listed["metadata"]["resourceVersion"]) == [
        ("DELETED", "after-the-list")
    ]


def test_an_informer_has_what_the_server_has(objects: Objects, kind: Kind) -> None:
    objects.create("informed-1", labels={"informed": "1"})
    informer = objects.informer("informed=1")
    seen: list[tuple[str, str]] = []
    waiting = Waiting()
    for event in ("ADDED", "MODIFIED", "DELETED"):
        informer.add_event_handler(event, waiting.noting(seen, event))
    informer.start()
    try:
        waiting.until(lambda: len(seen) == 1)
        objects.create("informed-2", labels={"informed": "1"})
        waiting.until(lambda: len(seen) == 2)
        objects.patch("informed-1", {"metadata": {"labels": {"informed": None}}})
        waiting.until(lambda: len(seen) == 3)

        assert seen == [
            ("ADDED", "informed-1"),
            ("ADDED", "informed-2"),
            ("DELETED", "informed-1"),
        ]
        assert [item["metadata"]["name"] for item in informer.cache.list()] == ["informed-2"]
    finally:
        informer.stop()


class Waiting:
    """Lets a test wait for what a handler in another thread notes."""

    def __init__(self) -> None:
        self._changed = Condition()

    def noting(self, seen: list[tuple[str, str]], event: str) -> Callable[[Any], None]:
        def note(item: Any) -> None:
            with self._changed:
                seen.append((event, item["metadata"]["name"]))
                self._changed.notify_all()

        return note

    def until(self, true: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(true, timeout=20)


def test_the_dynamic_client_discovers_and_manages_objects(
    api: client.ApiClient, namespace: str, kind: Kind, tmp_path: Path
) -> None:
    found = dynamic.DynamicClient(api, cache_file=str(tmp_path / "discovery"))
    resource = found.resources.get(api_version=API_VERSION, kind=kind.name)
    where = {"namespace": namespace}

    created = resource.create(body=a_manifest(kind, "dynamic"), **where)
    assert created.spec.to_dict() == kind.spec
    patched = resource.patch(
        body=CHANGE, name="dynamic", content_type="application/merge-patch+json", **where
    )
    assert patched.spec.description == "changed"
    applied = resource.server_side_apply(
        body=kind.manifest("dynamic", description="applied"),
        field_manager="dynamic-test",
        force_conflicts=True,
        **where,
    )
    assert applied.spec.description == "applied"
    assert "dynamic" in [item.metadata.name for item in resource.get(**where).items]

    events = resource.watch(
        resource_version=created.metadata.resourceVersion, timeout=1, name="dynamic", **where
    )
    assert [event["type"] for event in events] == ["MODIFIED", "MODIFIED"]
    resource.delete(name="dynamic", **where)
    with pytest.raises(dynamic.exceptions.NotFoundError):
        resource.get(name="dynamic", **where)


def test_the_dynamic_client_lists_by_a_watch(
    api: client.ApiClient, namespace: str, kind: Kind, tmp_path: Path
) -> None:
    found = dynamic.DynamicClient(api, cache_file=str(tmp_path / "discovery"))
    resource = found.resources.get(api_version=API_VERSION, kind=kind.name)
    labels = {"streamed": "1"}
    resource.create(body=a_manifest(kind, "streamed", labels=labels), namespace=namespace)

    events = resource.watch(
        namespace=namespace,
        label_selector="streamed=1",
        timeout=1,
        allow_watch_bookmarks=True,
        send_initial_events=True,
        resource_version_match="NotOlderThan",
    )

    added, bookmark, *_ = [(event["type"], event["raw_object"]) for event in events]
    assert (added[0], added[1]["metadata"]["name"]) == ("ADDED", "streamed")
    assert bookmark[0] == "BOOKMARK"
    assert bookmark[1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_no_answer_has_a_value(api: client.ApiClient, namespace: str, stack: Stack) -> None:
    objects = Objects(client.CustomObjectsApi(api), namespace, SECURE_VALUE)
    before = objects.listed()["metadata"]["resourceVersion"]
    answers = [objects.create("silent"), objects.get("silent"), objects.listed()]
    answers.append(objects.patch("silent", {"spec": {"value": a_canary()}}))
    answers.append(objects.replace("silent", a_manifest(SECURE_VALUE, "silent")))
    stream = watch.Watch().stream(objects.listed, resource_version=before, timeout_seconds=1)
    answers += [event["raw_object"] for event in stream]

    assert len(answers) == 8
    check_output(repr(answers))
