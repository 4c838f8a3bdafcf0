"""Calls one gateway or the other, over REST."""

import random
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from splitkeep.local.stack import SERVICE_IDENTITY
from tests.faults.histories.client import LABEL, conflict, decrypters, labels
from tests.faults.histories.history import History
from tests.faults.histories.model import Answer, Operation, Shown, Spec, Verb
from tests.faults.system.callers import COLLECTION


@dataclass(frozen=True, repr=False)
class RestClient:
    """See client.Client."""

    gateways: tuple[httpx2.AsyncClient, ...]
    chance: random.Random
    verbs = frozenset(Verb) - {Verb.DECRYPT}

    async def ask(self, history: History, asked: Operation) -> Operation:
        gateway = self.chance.choice(self.gateways)
        try:
            answer = await gateway.send(self._request(gateway, history, asked))
        except httpx2.HTTPError:
            return asked
        if not answer.is_success:
            return replace(asked, answer=_refusal(answer))
        if asked.verb is Verb.DELETE:  # answered by a Status
            return replace(asked, answer=Answer.DONE)
        return replace(asked, answer=Answer.DONE, shown=_shown(answer.json()))

    def _request(
        self, gateway: httpx2.AsyncClient, history: History, asked: Operation
    ) -> httpx2.Request:
        path = f"{COLLECTION}/{history.name}"
        body = _body(history, asked)
        match asked.verb:
            case Verb.GET:
                return gateway.build_request("GET", path)
            case Verb.DELETE:
                return gateway.build_request("DELETE", path, json=body)
            case Verb.CREATE:
                return gateway.build_request("POST", COLLECTION, json=body)
            case Verb.PATCH:
                merge = {"content-type": "application/merge-patch+json"}
                return gateway.build_request("PATCH", path, json=body, headers=merge)
            case _:
                return gateway.build_request("PUT", path, json=body)


def _body(history: History, asked: Operation) -> dict[str, Any]:
    expected = {} if asked.expected is None else {"resourceVersion": str(asked.expected)}
    if asked.verb is Verb.DELETE:
        return {"preconditions": expected}
    spec: dict[str, Any] = {}
    if asked.spec.description is not None:
        spec["description"] = asked.spec.description
    if asked.spec.allowed is not None:
        spec["decrypters"] = decrypters(asked.spec)
    if asked.value:
        spec["value"] = history.value(asked.value)
    labelled = {} if asked.spec.label is None else {"labels": labels(asked.spec)}
    return {"metadata": {"name": history.name, **expected, **labelled}, "spec": spec}


def _refusal(answer: httpx2.Response) -> Answer:
    if answer.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
        return Answer.UNKNOWN
    status = answer.json()
    if status["reason"] == "Conflict":
        return conflict(status["message"])
    return {"NotFound": Answer.NOT_FOUND, "AlreadyExists": Answer.ALREADY_EXISTS}.get(
        status["reason"], Answer.WRONG
    )


def _shown(found: dict[str, Any]) -> Shown:
    metadata, spec = found["metadata"], found["spec"]
    return Shown(
        uid=metadata["uid"],
        resource_version=int(metadata["resourceVersion"]),
        generation=metadata["generation"],
        version=found["status"]["version"],
        spec=Spec(
            spec["description"],
            SERVICE_IDENTITY in spec.get("decrypters", []),
            metadata.get("labels", {}).get(LABEL, ""),
        ),
    )
