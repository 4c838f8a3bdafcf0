"""Every rule holds for every verb: code, reason, cause and field path, and nothing written."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.e2e import rules
from tests.e2e.clients.kinds import API_VERSION, KEEPER, KINDS, Kind
from tests.e2e.rules import EVERY, RULES, Row, Where
from tests.e2e.stack import MARK, Stack

PRESENT, ABSENT = "present", "absent"
MANAGER = "fieldManager=rules"
METHODS = {
    rules.CREATE: ("POST", "application/json"),
    rules.REPLACE: ("PUT", "application/json"),
    rules.MERGE_PATCH: ("PATCH", "application/merge-patch+json"),
    rules.JSON_PATCH: ("PATCH", "application/json-patch+json"),
    rules.APPLY: ("PATCH", "application/apply-patch+yaml"),
    rules.APPLY_NEW: ("PATCH", "application/apply-patch+yaml"),
}
GIVEN: dict[str, dict[str, Any]] = {"SecureValue": {"spec.value": rules.VALUE}, "Keeper": {}}


@dataclass(frozen=True, slots=True)
class Api:
    """The REST API of a stack in which PRESENT, of each kind, has been applied."""

    http: httpx2.Client
    gateway: str

    def collection(self, kind: Kind, namespace: str) -> str:
        return f"{self.gateway}/apis/{API_VERSION}/namespaces/{namespace}/{kind.plural}"

    def write(
        self, kind: Kind, verb: str, change: Mapping[str, Any], where: Where, *, query: str = ""
    ) -> httpx2.Response:
        """The answer to a valid write of this kind by this verb, but for the change."""
        method, media_type = METHODS[verb]
        name = where.name or (ABSENT if verb in rules.CREATES else PRESENT)
        url = self.collection(kind, where.namespace)
        if verb != rules.CREATE:
            url += f"/{quote(name)}"
        return self.http.request(
            method,
            f"{url}?{MANAGER}{query}",
            content=json.dumps(body(kind, verb, name, {**GIVEN[kind.name], **change})),
            headers={"Content-Type": media_type},
        )

    def everything(self, kind: Kind, namespace: str) -> str:
        """All of the kind, with its versions and the namespace's."""
        return self.http.get(self.collection(kind, namespace)).text


def body(kind: Kind, verb: str, name: str, change: Mapping[str, Any]) -> Any:
    """What the verb sends for the change."""
    if verb == rules.MERGE_PATCH:
        return changed({}, change)
    if verb == rules.JSON_PATCH:
        # A value can only be written: where it is left out, none is there to be removed.
        return [operation(p, c) for p, c in change.items() if (p, c) != ("spec.value", None)]
    return without_null(changed(kind.manifest(name), change))


def operation(path: str, content: Any) -> dict[str, Any]:
    """RFC 6902; what a member is changed to, or that it goes."""
    pointer = f"/{path.replace('.', '/')}"
    if content is None:
        return {"op": "remove", "path": pointer}
    return {"op": "add", "path": pointer, "value": content}


def changed(tree: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with what the change says under each path; RFC 7396 if the tree is empty."""
    whole = deepcopy(tree)
    for path, content in change.items():
        *parents, last = path.split(".")
        member = whole
        for parent in parents:
            member = member.setdefault(parent, {})
        member[last] = content
    return whole


def without_null(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    return {key: without_null(member) for key, member in tree.items() if member is not None}


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[Api]:
    with stack.http(stack.token("--role", "Admin", "--namespace", "*")) as http:
        api = Api(http, stack.info["gateway"])
        for kind in KINDS:
            assert api.write(kind, rules.APPLY, {}, Where()).status_code == 201
            assert PRESENT in api.everything(kind, rules.NAMESPACE)
        aws = Where(namespace=rules.AWS_NAMESPACE)
        assert api.write(KEEPER, rules.APPLY, {}, aws).status_code == 201
        activation = f"{api.collection(KEEPER, aws.namespace)}/{PRESENT}/activate"
        assert http.post(activation, json={}).status_code == 200
        yield api


@pytest.mark.parametrize("verb", EVERY)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_a_write_that_breaks_no_rule_is_allowed(api: Api, kind: Kind, verb: str) -> None:
    answer = api.write(kind, verb, {}, Where(), query="&dryRun=All")

    assert answer.status_code == (201 if verb in rules.CREATES else 200)


@pytest.mark.parametrize(
    ("kind", "row", "verb"),
    [
        pytest.param(kind, row, verb, id=f"{kind.singular}-{row.words}-{verb}")
        for kind, row in RULES
        for verb in row.where.verbs
    ],
)
def test_a_write_that_breaks_a_rule_is_refused_by_its_field(
    api: Api, kind: Kind, row: Row, verb: str
) -> None:
    before = api.everything(kind, row.where.namespace)

    answer = api.write(kind, verb, row.change, row.where)

    status = answer.json()
    causes = [(c["reason"], c["field"]) for c in status.get("details", {}).get("causes", ())]
    told = (answer.status_code, status["code"], status["reason"], tuple(causes))
    assert told == (422, 422, "Invalid", row.causes)
    assert api.everything(kind, row.where.namespace) == before
    value = row.change.get("spec.value") or rules.VALUE
    assert not [text for text in (value, MARK, rules.NO_VALUE) if text in answer.text]
