"""kr8s and lightkube manage and watch both kinds."""

from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import kr8s.asyncio
import kr8s.asyncio.objects
import lightkube
import pytest
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.types import PatchType

from tests.e2e.clients.kinds import API_VERSION, GROUP, SECURE_VALUE, Kind, a_manifest

CHANGE = {"metadata": {"labels": {"team": "a"}}, "spec": {"description": "changed"}}


@pytest.fixture
async def kr8s_api(kubeconfig: Path) -> AsyncIterator[Any]:
    """kr8s, configured by the file alone; it has no way to be closed but its session's."""
    api: Any = await kr8s.asyncio.api(kubeconfig=str(kubeconfig))
    yield api
    await api._session.aclose()


async def test_kr8s_manages_and_watches_objects(kr8s_api: Any, kind: Kind) -> None:
    made = kr8s.asyncio.objects.new_class(kind.name, API_VERSION, namespaced=True)
    item = await made(a_manifest(kind, "by-kr8s"), api=kr8s_api)
    await item.create()
    assert await item.exists()
    since = item.metadata.resourceVersion

    await item.patch({"spec": {"description": "changed"}})
    await item.label(team="a")
    renamed = [{"op": "replace", "path": "/spec/description", "value": "replaced"}]
    await item.patch(renamed, type="json")
    await item.refresh()
    assert (item.spec.description, item.labels.team) == ("replaced", "a")
    listed = kr8s_api.get(f"{kind.plural}.{GROUP}", label_selector={"team": "a"})
    assert [found.name async for found in listed] == ["by-kr8s"]

    await item.delete()
    seen = []
    async with aclosing(kr8s_api.async_watch(f"{kind.plural}.{GROUP}", since=since)) as watch:
        async for event, found in watch:
            seen.append((event, found.name))
            if event == "DELETED":
                break
    assert seen == [("MODIFIED", "by-kr8s")] * 3 + [("DELETED", "by-kr8s")]


def test_lightkube_manages_and_watches_objects(kubeconfig: Path, kind: Kind) -> None:
    resource: Any = create_namespaced_resource(GROUP, "v1beta1", kind.name, kind.plural)
    settings = lightkube.KubeConfig.from_file(kubeconfig)
    with lightkube.Client(config=settings, field_manager="lightkube") as kube:
        created = kube.create(resource(a_manifest(kind, "by-lightkube")))
        since = created.metadata.resourceVersion
        changed = kube.patch(resource, "by-lightkube", CHANGE, patch_type=PatchType.MERGE)
        assert changed["spec"]["description"] == "changed"
        applied = kube.apply(
            resource(kind.manifest("by-lightkube", description="applied")), force=True
        )
        assert applied["spec"]["description"] == "applied"
        found = kube.list(resource, labels={"team": "a"})
        assert [item.metadata.name for item in found] == ["by-lightkube"]
        kube.delete(resource, "by-lightkube")
        with pytest.raises(ApiError, match="not found"):
            kube.get(resource, "by-lightkube")

        seen = []
        events: Any = kube.watch(resource, resource_version=since)
        with closing(events) as watch:
            for event, item in watch:
                seen.append((event, item.metadata.name))
                if event == "DELETED":
                    break
    assert seen == [("MODIFIED", "by-lightkube")] * 2 + [("DELETED", "by-lightkube")]


def test_lightkubes_default_patch_is_refused_in_words(kubeconfig: Path) -> None:
    resource: Any = create_namespaced_resource(
        GROUP, "v1beta1", SECURE_VALUE.name, SECURE_VALUE.plural
    )
    settings = lightkube.KubeConfig.from_file(kubeconfig)
    with lightkube.Client(config=settings) as kube:
        kube.create(resource(a_manifest(SECURE_VALUE, "strategic")))
        with pytest.raises(ApiError, match="merge-patch") as caught:
            kube.patch(resource, "strategic", CHANGE)

    assert caught.value.status.code == 415
