"""Writes through gateways, and what each name must decrypt to afterwards."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.e2e.stack import a_canary, a_secure_value

COLLECTION = "/apis/secret.grafana.app/v1beta1/namespaces/default/securevalues"
WATCH_SECONDS = 2
MERGE_PATCH = {"content-type": "application/merge-patch+json"}


@dataclass(frozen=True)
class Gateways:
    """Every request must succeed: one that does not raises AssertionError."""

    clients: Mapping[str, httpx2.AsyncClient]
    values: dict[str, str] = field(default_factory=dict)

    async def create(self, gateway: str, name: str) -> Any:
        """The new object; sent again under the name's own idempotency key, the same one."""
        value = self.values.setdefault(name, a_canary())
        body = a_secure_value(name, value)
        headers = {"idempotency-key": f"key-{name}"}
        return await self._send(gateway, "POST", COLLECTION, json=body, headers=headers)

    async def replace(self, gateway: str, name: str) -> Any:
        """The object with a new value."""
        self.values[name] = a_canary()
        body = a_secure_value(name, self.values[name])
        return await self._send(gateway, "PUT", f"{COLLECTION}/{name}", json=body)

    async def label(self, gateway: str, name: str) -> Any:
        """The object with a label that names the gateway."""
        return await self._send(
            gateway,
            "PATCH",
            f"{COLLECTION}/{name}",
            json={"metadata": {"labels": {"through": gateway}}},
            headers=MERGE_PATCH,
        )

    async def read(self, gateway: str, name: str) -> Any:
        """The object."""
        return await self._send(gateway, "GET", f"{COLLECTION}/{name}")

    async def try_to_patch(self, gateway: str, name: str, patch: Any) -> tuple[int, str]:
        """The status and the text of the answer, whatever it is."""
        answer = await self.clients[gateway].patch(
            f"{COLLECTION}/{name}", json=patch, headers=MERGE_PATCH
        )
        return answer.status_code, answer.text

    async def delete(self, gateway: str, name: str) -> None:
        """The name is gone."""
        del self.values[name]
        await self._send(gateway, "DELETE", f"{COLLECTION}/{name}")

    async def listed(self, gateway: str, **query: str) -> set[str]:
        """All names that the query asks for."""
        found = await self._send(gateway, "GET", COLLECTION, params=query)
        return {item["metadata"]["name"] for item in found["items"]}

    async def status_of_search(self, gateway: str, text: str) -> int:
        """The status of the answer, whatever it is."""
        answer = await self.clients[gateway].get(COLLECTION, params={"search": text})
        return answer.status_code

    async def resource_version(self, gateway: str) -> str:
        """Where a watch begins that sees every later write."""
        found = await self._send(gateway, "GET", COLLECTION, params={"limit": 1})
        return str(found["metadata"]["resourceVersion"])

    async def events(self, gateway: str, resource_version: str) -> list[str]:
        """The type and name of each change since then, in order."""
        parameters = {
            "watch": "1",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        answer = await self.clients[gateway].get(COLLECTION, params=parameters)
        found = [json.loads(line) for line in answer.text.splitlines()]
        return [
            f"{event['type']} {event['object']['metadata']['name']}"
            for event in found
            if event["type"] != "BOOKMARK"
        ]

    async def _send(self, gateway: str, method: str, path: str, **more: Any) -> Any:
        answer = await self.clients[gateway].request(method, path, **more)
        if not answer.is_success:
            raise AssertionError(f"{method} through {gateway}: {answer.text}")
        return answer.json()


@asynccontextmanager
async def gateways_at(
    urls: Mapping[str, str], *, ca: str, token: str
) -> AsyncIterator[Gateways]:
    """Clients of the gateways, which are URLs by name."""
    context = await asyncio.to_thread(ssl.create_default_context, cafile=ca)
    headers = {"authorization": f"Bearer {token}"}
    async with AsyncExitStack() as clients:
        yield Gateways(
            {
                name: await clients.enter_async_context(
                    httpx2.AsyncClient(
                        base_url=url,
                        verify=context,
                        headers=headers,
                        timeout=30,
                        trust_env=False,
                    )
                )
                for name, url in urls.items()
            }
        )
