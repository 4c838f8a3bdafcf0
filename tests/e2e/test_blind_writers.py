"""Who may write an object and not read it learns which object it is, and nothing of the rest.

Each probe is made in two namespaces that had the same number of writes, on two objects of the
same name that differ in everything. Uids and namespaces apart, the answers are equal byte for
byte, and so are the resourceVersions afterwards: whether a write changed anything is not told.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from chassis.request_id import REQUEST_ID_KEY
from protos.splitkeep.metadata.v1 import keepers_pb2, secure_values_pb2
from protos.splitkeep.metadata.v1.field_owner_pb2 import AppliedFields, FieldManager
from protos.splitkeep.metadata.v1.keepers_pb2 import AwsAssumeRole, AwsKeeper, KeeperDraft
from protos.splitkeep.metadata.v1.keepers_pb2_grpc import KeepersStub
from protos.splitkeep.metadata.v1.secure_value_pb2 import Preconditions, SecureValueDraft
from protos.splitkeep.metadata.v1.secure_values_pb2_grpc import SecureValuesStub
from protos.splitkeep.vault.v1 import secure_values_pb2 as vault_pb2
from protos.splitkeep.vault.v1 import secure_values_pb2_grpc as vault_grpc
from tests.e2e.stack import Stack, a_canary

RICH, BARE = "blind-rich", "blind-bare"
API = "secret.grafana.app/v1beta1"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
LAST = "kubectl.kubernetes.io/last-applied-configuration"
ROLE = {"assumeRoleArn": "arn:aws:iam::123456789012:role/a", "externalID": "x"}
AWS = {"region": "eu-west-1", "assumeRole": ROLE}
METADATA: dict[str, dict[str, Any]] = {
    RICH: {
        "labels": {"team": "x", "env": "y"},
        "annotations": {"note": "1", LAST: '{"kind":"SecureValue"}'},
    },
    BARE: {},
}
SPECS: dict[str, dict[str, dict[str, Any]]] = {
    "securevalues": {
        RICH: {"description": "rich", "decrypters": ["k6-cloud", "b"]},
        BARE: {"description": "bare"},
    },
    "keepers": {
        RICH: {"description": "rich", "aws": AWS},
        BARE: {"description": "bare", "aws": AWS | {"region": "us-east-1"}},
    },
}
KINDS = {"securevalues": "SecureValue", "keepers": "Keeper"}


def whole(plural: str, like: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": METADATA[like], "spec": SPECS[plural][like] | spec}


def operation(op: str, path: str, *, query: str = "", **more: Any) -> "Rest":
    return Rest("PATCH", query, JSON_PATCH, [{"op": op, "path": path, **more}])


def applied(plural: str, **parts: Any) -> dict[str, Any]:
    return {"apiVersion": API, "kind": KINDS[plural], **parts}


@dataclass(frozen=True)
class Rest:
    """One request; the path goes on from the object's own."""

    method: str
    path: str = ""
    content_type: str = "application/json"
    body: Any = None


STALE = {"resourceVersion": "1"}
OF_BOTH_KINDS: dict[str, Callable[[str], Rest]] = {
    "get": lambda _: Rest("GET"),
    "as rich": lambda k: Rest("PUT", body=whole(k, RICH)),
    "as bare": lambda k: Rest("PUT", body=whole(k, BARE)),
    "as rich, dry": lambda k: Rest("PUT", "?dryRun=All", body=whole(k, RICH)),
    "stale": lambda k: Rest("PUT", body=whole(k, RICH) | {"metadata": STALE}),
    "invalid": lambda _: Rest("PUT", body={"spec": {}}),
    "nothing": lambda _: Rest("PATCH", "", MERGE, {}),
    "its description": lambda _: Rest("PATCH", "", MERGE, {"spec": {"description": "rich"}}),
    "no description": lambda _: Rest("PATCH", "", MERGE, {"spec": {"description": None}}),
    "its label": lambda _: Rest("PATCH", "", MERGE, {"metadata": {"labels": {"team": "x"}}}),
    "less a label": lambda _: Rest("PATCH", "", MERGE, {"metadata": {"labels": {"env": None}}}),
    "its label, dry": lambda _: Rest(
        "PATCH", "?dryRun=All", MERGE, {"metadata": {"labels": {"team": "x"}}}
    ),
    "no labels": lambda _: Rest("PATCH", "", MERGE, {"metadata": {"labels": None}}),
    "an annotation": lambda _: Rest(
        "PATCH", "", MERGE, {"metadata": {"annotations": {"note": "1"}}}
    ),
    "a stale patch": lambda _: Rest("PATCH", "", MERGE, {"metadata": STALE}),
    "too many labels": lambda _: Rest(
        "PATCH", "", MERGE, {"metadata": {"labels": {f"l{n}": "1" for n in range(9)}}}
    ),
    "an unknown field": lambda _: Rest("PATCH", "", MERGE, {"spec": {"nothing": 1}}),
    "test": lambda _: operation("test", "/spec/description", value="rich"),
    "test, dry": lambda _: operation(
        "test", "/metadata/labels/team", query="?dryRun=All", value="x"
    ),
    "remove": lambda _: operation("remove", "/metadata/labels/env"),
    "replace": lambda _: operation("replace", "/metadata/labels/env", value="1"),
    "move": lambda _: operation(
        "move", "/metadata/labels/a", **{"from": "/metadata/labels/env"}
    ),
    "copy": lambda _: operation("copy", "/metadata/labels/a", **{"from": "/spec/description"}),
    "an index": lambda _: operation("remove", "/spec/decrypters/1"),
    "add": lambda _: operation("add", "/metadata/labels/a", value="1"),
    "no operation": lambda _: Rest("PATCH", "", JSON_PATCH, []),
    "apply its description": lambda k: Rest(
        "PATCH", "?fieldManager=me", APPLY, applied(k, spec={"description": "rich"})
    ),
    "force its label, dry": lambda k: Rest(
        "PATCH", "?fieldManager=me&force=true&dryRun=All", APPLY,
        applied(k, metadata={"labels": {"team": "x"}}),
    ),
    "edit nothing": lambda _: Rest("POST", "/edit", body={}),
    "edit its label": lambda _: Rest("POST", "/edit", body={"labels": {"put": {"team": "x"}}}),
    "edit away a label": lambda _: Rest("POST", "/edit", body={"labels": {"remove": ["env"]}}),
    "edit the description, dry": lambda _: Rest(
        "POST", "/edit?dryRun=All", body={"description": "rich"}
    ),
    "edit, stale": lambda _: Rest("POST", "/edit", body={"preconditions": STALE}),
    "edit too much": lambda _: Rest(
        "POST", "/edit", body={"labels": {"put": {f"l{n}": "1" for n in range(5)}}}
    ),
    "as many as may be": lambda _: Rest(
        "POST", "/edit", body={"labels": {"put": {f"l{n}": "1" for n in range(4)}}}
    ),
    "delete": lambda _: Rest("DELETE"),
}  # fmt: skip
OF_SECURE_VALUES: dict[str, Callable[[str], Rest]] = {
    "a value": lambda k: Rest("PUT", body=whole(k, RICH, value=a_canary())),
    "a value, dry": lambda k: Rest("PUT", "?dryRun=All", body=whole(k, RICH, value=a_canary())),
    "a value, stale": lambda k: Rest(
        "PUT", body=whole(k, RICH, value=a_canary()) | {"metadata": STALE}
    ),
    "patch a value": lambda _: Rest("PATCH", "", MERGE, {"spec": {"value": a_canary()}}),
    "its decrypters": lambda _: Rest(
        "PATCH", "", MERGE, {"spec": {"decrypters": ["k6-cloud", "b"]}}
    ),
    "no decrypters": lambda _: Rest("PATCH", "", MERGE, {"spec": {"decrypters": None}}),
    "add its decrypter": lambda _: Rest("POST", "/edit", body={"decrypters": {"add": ["b"]}}),
    "remove its decrypter": lambda _: Rest(
        "POST", "/edit", body={"decrypters": {"remove": ["b"]}}
    ),
    "add many decrypters": lambda _: Rest(
        "POST", "/edit", body={"decrypters": {"add": [f"d{n}" for n in range(60)]}}
    ),
}
OF_KEEPERS: dict[str, Callable[[str], Rest]] = {
    "activate": lambda _: Rest("POST", "/activate", body={}),
    "activate, dry": lambda _: Rest("POST", "/activate?dryRun=All", body={}),
}
PROBES = [
    *(
        ("securevalues", name, probe)
        for name, probe in (OF_BOTH_KINDS | OF_SECURE_VALUES).items()
    ),
    *(("keepers", name, probe) for name, probe in (OF_BOTH_KINDS | OF_KEEPERS).items()),
]


@dataclass(frozen=True)
class Blind:
    """Two namespaces, and a token that writes in both of them and reads in neither."""

    stack: Stack
    token: str
    admin: str
    channels: dict[str, grpc.Channel]

    def url(self, namespace: str, plural: str) -> str:
        return f"{self.stack.info['gateway']}/apis/{API}/namespaces/{namespace}/{plural}"

    def create(self, plural: str, name: str) -> None:
        """One of each, kept by the vault itself."""
        for namespace, like in ((RICH, RICH), (BARE, BARE)):
            body = applied(plural) | whole(plural, like)
            if plural == "securevalues":
                body["spec"] = body["spec"] | {"value": a_canary()}
            with self.stack.http(self.admin) as http:
                http.post(f"{self.url(namespace, 'keepers')}/system/activate", json={})
                answer = http.patch(
                    f"{self.url(namespace, plural)}/{name}?fieldManager={like}",
                    json=body,
                    headers={"Content-Type": APPLY},
                )
            assert answer.status_code == 201, answer.text

    def ask(self, namespace: str, plural: str, name: str, asked: Rest) -> str:
        """The answer, status and headers included, without what tells the two apart."""
        uid = self.uid(namespace, plural, name)
        with self.stack.http(self.token) as http:
            answer = http.request(
                asked.method,
                f"{self.url(namespace, plural)}/{name}{asked.path}",
                content=None if asked.body is None else json.dumps(asked.body),
                headers={"Content-Type": asked.content_type},
            )
        told = {k: v for k, v in answer.headers.items() if k not in {"date", "x-request-id"}}
        text = f"{answer.status_code} {sorted(told.items())} {answer.text}"
        return text.replace(uid, "UID").replace(namespace, "NAMESPACE")

    def uid(self, namespace: str, plural: str, name: str) -> str:
        with self.stack.http(self.admin) as http:
            found = http.get(f"{self.url(namespace, plural)}/{name}").json()
        return str(found["metadata"]["uid"])

    def version(self, namespace: str, plural: str) -> str:
        """The number of writes in the namespace."""
        with self.stack.http(self.admin) as http:
            listed = http.get(f"{self.url(namespace, plural)}?limit=1").json()
        return str(listed["metadata"]["resourceVersion"])

    def call(self, namespace: str, name: str, rpc: "Rpc") -> str:
        uid = self.uid(namespace, rpc.plural, name)
        stub = rpc.stub(self.channels[rpc.service])
        try:
            made: Message = getattr(stub, rpc.method)(
                rpc.request(namespace, name),
                metadata=(("x-access-token", self.token),),
                timeout=20,
            )
            text = str(made)
        except grpc.RpcError as error:
            trailers = [
                each for each in error.trailing_metadata() if each.key != REQUEST_ID_KEY
            ]
            text = f"{error.code()} {error.details()} {trailers}"
        return text.replace(uid, "UID").replace(namespace, "NAMESPACE")


@pytest.fixture(scope="module")
def blind(stack: Stack) -> Iterator[Blind]:
    grants = [
        word
        for plural in KINDS
        for verb in ("write", "delete")
        for word in ("--grant", f"secret.{plural}:{verb}=secret.{plural}:*")
    ]
    token = stack.token("--namespace", "*", *grants)
    admin = stack.token("--namespace", "*", "--role", "Admin")
    credentials = grpc.ssl_channel_credentials(stack.ca)
    channels = {
        service: grpc.secure_channel(stack.info[service], credentials)
        for service in ("metadata", "vault")
    }
    yield Blind(stack, token, admin, channels)
    for channel in channels.values():
        channel.close()


def test_the_two_objects_differ_for_who_may_read(blind: Blind) -> None:
    blind.create("securevalues", "control")
    with blind.stack.http(blind.admin) as http:
        read = {
            namespace: http.get(f"{blind.url(namespace, 'securevalues')}/control").json()[
                "spec"
            ]
            for namespace in (RICH, BARE)
        }

    assert read[RICH] != read[BARE]


@pytest.mark.parametrize(
    ("number", "plural", "probe"),
    [
        pytest.param(number, plural, probe, id=f"{plural}: {name}")
        for number, (plural, name, probe) in enumerate(PROBES)
    ],
)
def test_no_request_tells_two_objects_apart(
    blind: Blind, number: int, plural: str, probe: Callable[[str], Rest]
) -> None:
    name = f"rest-{number}"
    blind.create(plural, name)
    asked = probe(plural)

    rich, bare = (blind.ask(namespace, plural, name, asked) for namespace in (RICH, BARE))

    assert rich == bare
    assert blind.version(RICH, plural) == blind.version(BARE, plural)


def test_activating_does_not_tell_whether_a_keeper_was_active(blind: Blind) -> None:
    blind.create("keepers", "was-active")
    assert blind.version(RICH, "keepers") == blind.version(BARE, "keepers")
    with blind.stack.http(blind.admin) as http:
        http.post(f"{blind.url(RICH, 'keepers')}/was-active/activate", json={})
        http.patch(
            f"{blind.url(BARE, 'keepers')}/was-active",
            json={"metadata": {"labels": {"one": "more"}}},
            headers={"Content-Type": MERGE},
        )

    told = [
        blind.ask(namespace, "keepers", "was-active", Rest("POST", "/activate", body={}))
        for namespace in (RICH, BARE)
    ]

    assert told[0] == told[1]


@dataclass(frozen=True)
class Rpc:
    """One call of one service, for the namespace and the name that it is given."""

    method: str
    request: Callable[[str, str], Message]
    plural: str = "securevalues"
    service: str = "metadata"

    def stub(self, channel: grpc.Channel) -> Any:
        if self.service == "vault":
            return vault_grpc.SecureValuesStub(channel)
        return {"securevalues": SecureValuesStub, "keepers": KeepersStub}[self.plural](channel)


def a_draft(namespace: str, name: str, *paths: str) -> SecureValueDraft:
    draft = SecureValueDraft(
        namespace=namespace,
        name=name,
        description="rich",
        decrypters=["k6-cloud", "b"],
        **METADATA[RICH],
    )
    if paths:
        draft.manager.CopyFrom(FieldManager(name="me", applied=AppliedFields(fields=paths)))
    return draft


def a_keeper(namespace: str, name: str) -> KeeperDraft:
    role = AwsAssumeRole(assume_role_arn=ROLE["assumeRoleArn"], external_id="x")
    return KeeperDraft(
        namespace=namespace,
        name=name,
        description="rich",
        aws=AwsKeeper(region="eu-west-1", assume_role=role),
        providers=["aws"],
        **METADATA[RICH],
    )


pb = secure_values_pb2
STALE_PRECONDITIONS = Preconditions(resource_version="1")
RPCS: dict[str, Rpc] = {
    "get": Rpc("GetSecureValue", lambda ns, n: pb.GetSecureValueRequest(namespace=ns, name=n)),
    "get to update, as an old gateway asks": Rpc(
        "GetSecureValue",
        lambda ns, n: pb.GetSecureValueRequest(namespace=ns, name=n, to_update=True),
    ),
    "get the identity": Rpc(
        "GetSecureValue",
        lambda ns, n: pb.GetSecureValueRequest(
            namespace=ns, name=n, to_update=True, identity_suffices=True
        ),
    ),
    "update": Rpc(
        "UpdateSecureValue", lambda ns, n: pb.UpdateSecureValueRequest(draft=a_draft(ns, n))
    ),
    "update, dry": Rpc(
        "UpdateSecureValue",
        lambda ns, n: pb.UpdateSecureValueRequest(draft=a_draft(ns, n), dry_run=True),
    ),
    "apply": Rpc(
        "UpdateSecureValue",
        lambda ns, n: pb.UpdateSecureValueRequest(draft=a_draft(ns, n, "spec.description")),
    ),
    "update, stale": Rpc(
        "UpdateSecureValue",
        lambda ns, n: pb.UpdateSecureValueRequest(
            draft=a_draft(ns, n), preconditions=STALE_PRECONDITIONS
        ),
    ),
    "edit nothing": Rpc(
        "EditSecureValue", lambda ns, n: pb.EditSecureValueRequest(namespace=ns, name=n)
    ),
    "edit": Rpc(
        "EditSecureValue",
        lambda ns, n: pb.EditSecureValueRequest(
            namespace=ns,
            name=n,
            description="rich",
            put_labels={"team": "x"},
            remove_labels=["env"],
            add_decrypters=["b"],
            remove_decrypters=["k6-cloud"],
        ),
    ),
    "edit, dry": Rpc(
        "EditSecureValue",
        lambda ns, n: pb.EditSecureValueRequest(
            namespace=ns, name=n, put_labels={"team": "x"}, dry_run=True
        ),
    ),
    "edit, stale": Rpc(
        "EditSecureValue",
        lambda ns, n: pb.EditSecureValueRequest(
            namespace=ns, name=n, preconditions=STALE_PRECONDITIONS
        ),
    ),
    "edit too much": Rpc(
        "EditSecureValue",
        lambda ns, n: pb.EditSecureValueRequest(
            namespace=ns, name=n, put_labels={f"l{i}": "1" for i in range(9)}
        ),
    ),
    "delete, dry": Rpc(
        "DeleteSecureValue",
        lambda ns, n: pb.DeleteSecureValueRequest(namespace=ns, name=n, dry_run=True),
    ),
    "a value": Rpc(
        "UpdateSecureValue",
        lambda ns, n: vault_pb2.UpdateSecureValueRequest(draft=a_draft(ns, n), value=b"v"),
        service="vault",
    ),
    "a value, dry": Rpc(
        "UpdateSecureValue",
        lambda ns, n: vault_pb2.UpdateSecureValueRequest(
            draft=a_draft(ns, n), value=b"v", dry_run=True
        ),
        service="vault",
    ),
    "get a keeper to update": Rpc(
        "GetKeeper",
        lambda ns, n: keepers_pb2.GetKeeperRequest(namespace=ns, name=n, to_update=True),
        "keepers",
    ),
    "get a keeper's identity": Rpc(
        "GetKeeper",
        lambda ns, n: keepers_pb2.GetKeeperRequest(
            namespace=ns, name=n, to_update=True, identity_suffices=True
        ),
        "keepers",
    ),
    "update a keeper": Rpc(
        "UpdateKeeper",
        lambda ns, n: keepers_pb2.UpdateKeeperRequest(draft=a_keeper(ns, n)),
        "keepers",
    ),
    "edit a keeper": Rpc(
        "EditKeeper",
        lambda ns, n: keepers_pb2.EditKeeperRequest(
            namespace=ns, name=n, description="rich", put_labels={"team": "x"}
        ),
        "keepers",
    ),
    "activate a keeper, dry": Rpc(
        "ActivateKeeper",
        lambda ns, n: keepers_pb2.ActivateKeeperRequest(namespace=ns, name=n, dry_run=True),
        "keepers",
    ),
    "delete a keeper, dry": Rpc(
        "DeleteKeeper",
        lambda ns, n: keepers_pb2.DeleteKeeperRequest(namespace=ns, name=n, dry_run=True),
        "keepers",
    ),
}


@pytest.mark.parametrize(
    ("number", "rpc"),
    [pytest.param(number, RPCS[name], id=name) for number, name in enumerate(RPCS)],
)
def test_no_call_tells_two_objects_apart(blind: Blind, number: int, rpc: Rpc) -> None:
    name = f"rpc-{number}"
    blind.create(rpc.plural, name)

    rich, bare = (blind.call(namespace, name, rpc) for namespace in (RICH, BARE))

    assert rich == bare
    assert blind.version(RICH, rpc.plural) == blind.version(BARE, rpc.plural)


def test_an_old_gateway_is_refused_and_told_what_is_missing(blind: Blind) -> None:
    blind.create("securevalues", "old-gateway")

    told = blind.call(RICH, "old-gateway", RPCS["get to update, as an old gateway asks"])

    assert "PERMISSION_DENIED" in told
    assert "secret.securevalues:read is not granted" in told
