"""The rules of the REST API: what breaks each of them, and what the writer is told.

A row is a valid object but for the change; a path of the change that is None is left out. It is
refused alike by every verb that can break the rule, and told as one cause unless it breaks two.

What no row can break: a reference is refused wherever it is given, so that none is ever there
to be replaced by a value, or to be kept by an update without one; a keeper in `status` is not
read; a value whose keeper is a third party's cannot be there to be updated; and an update of
what is not there is a 404.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.clients.kinds import KEEPER, SECURE_VALUE, Kind
from tests.e2e.stack import MARK

VALUE = f"{MARK}-never-repeated"
NO_VALUE = "oUtSpOkEn-5b90"  # never repeated either; metadata may be sent it
NAME_LIKE_VALUE = "a-value-like-a-name-8a41"

NAMESPACE = "rules"
AWS_NAMESPACE = "rules-by-aws"  # where a third party's keeper is active

REPLACE, MERGE_PATCH, JSON_PATCH, APPLY = "replace", "merge patch", "JSON patch", "apply"
CREATE, APPLY_NEW = "create", "apply that creates"
CREATES = (CREATE, APPLY_NEW)
UPDATES = (REPLACE, MERGE_PATCH, JSON_PATCH, APPLY)
EVERY = CREATES + UPDATES

REQUIRED, INVALID, FORBIDDEN = "FieldValueRequired", "FieldValueInvalid", "FieldValueForbidden"
TOO_LONG, TOO_MANY = "FieldValueTooLong", "FieldValueTooMany"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """By what the rule can be broken, and where if that is not beside everything else."""

    verbs: tuple[str, ...] = EVERY
    namespace: str = NAMESPACE
    name: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One way to break a rule, and the causes that are told: reason and field path."""

    words: str
    change: Mapping[str, Any]
    causes: tuple[tuple[str, str], ...]
    where: Where = field(default_factory=Where)


def row(words: str, change: Mapping[str, Any], *cause: str, **where: Any) -> Row:
    """A row; of more than one cause the reasons and the paths take turns."""
    return Row(words, change, tuple(zip(cause[::2], cause[1::2], strict=True)), Where(**where))


NO_LABEL = f"{NO_VALUE} is no label"
OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
LABELS, ANNOTATIONS = "metadata.labels", "metadata.annotations"
OWNERS = "metadata.ownerReferences"

OF_BOTH_KINDS = (
    row("a name that climbs", {}, INVALID, "metadata.name", name="a..b"),
    row("a name with a star", {}, INVALID, "metadata.name", name="a*"),
    row("a name with an edge", {}, INVALID, "metadata.name", name="-a"),
    row("a name of 254 characters", {}, INVALID, "metadata.name", name="n" * 254),
    row("a name in upper case", {}, INVALID, "metadata.name", name="A", verbs=(CREATE,)),
    row("a name that is encoded", {}, INVALID, "metadata.name", name="a%2e", verbs=(CREATE,)),
    row("no name", {"metadata.name": None}, REQUIRED, "metadata.name", verbs=(CREATE,)),
    row(
        "a prefix that starts no name",
        {"metadata.name": None, "metadata.generateName": "A-"},
        *(INVALID, "metadata.generateName"),
        verbs=(CREATE,),
    ),
    row("a reserved namespace", {}, INVALID, "metadata.namespace", namespace="org-1"),
    row("a namespace with a dot", {}, INVALID, "metadata.namespace", namespace="a.b"),
    row("11 labels", {LABELS: {f"l{n}": "v" for n in range(11)}}, TOO_MANY, LABELS),
    row("a label's key", {LABELS: {NO_LABEL: "v"}}, INVALID, LABELS),
    row("a label's key of 64", {LABELS: {"k" * 64: "v"}}, INVALID, LABELS),
    row("a label", {LABELS: {"team": NO_LABEL}}, INVALID, "metadata.labels[team]"),
    row("an empty label", {LABELS: {"team": ""}}, INVALID, "metadata.labels[team]"),
    row("a label of 64", {LABELS: {"team": "v" * 64}}, INVALID, "metadata.labels[team]"),
    row(
        "the label of Grafana's app SDK",
        {LABELS: {"grafana-app-sdk-resource-version": NO_LABEL}},
        *(INVALID, "metadata.labels[grafana-app-sdk-resource-version]"),
    ),
    row("an annotation's key", {ANNOTATIONS: {NO_LABEL: "v"}}, INVALID, ANNOTATIONS),
    row("an annotation with NUL", {ANNOTATIONS: {"a": "\0"}}, INVALID, ANNOTATIONS),
    row(
        "256 KiB of annotations",
        {ANNOTATIONS: {"a": "v" * 262_144}},
        *(TOO_LONG, ANNOTATIONS),
        verbs=(CREATE, REPLACE, MERGE_PATCH, JSON_PATCH),  # a body in YAML ends before that
    ),
    row(
        "a folder",
        {ANNOTATIONS: {"grafana.app/folder": NO_VALUE}},
        *(FORBIDDEN, "metadata.annotations[grafana.app/folder]"),
    ),
    row("two owners", {OWNERS: [OWNER, OWNER | {"name": "api"}]}, TOO_MANY, OWNERS),
    row("an owner without a group", {OWNERS: [OWNER | {"apiVersion": "v1"}]}, INVALID, OWNERS),
    row("an owner", {OWNERS: [OWNER]}, FORBIDDEN, OWNERS),
    row("an empty description", {"spec.description": ""}, REQUIRED, "spec.description"),
    row("no description", {"spec.description": None}, REQUIRED, "spec.description"),
    row("254 characters", {"spec.description": "d" * 254}, TOO_LONG, "spec.description"),
    row("NUL in the description", {"spec.description": "\0"}, INVALID, "spec.description"),
)

OF_SECURE_VALUES = (
    row("neither value nor ref", {"spec.value": None}, REQUIRED, "spec", verbs=CREATES),
    row("an empty value", {"spec.value": ""}, REQUIRED, "spec"),
    row("a value of 24577 bytes", {"spec.value": "v" * 24_577}, TOO_LONG, "spec.value"),
    row("a value of 12289 letters", {"spec.value": "é" * 12_289}, TOO_LONG, "spec.value"),
    row("a ref", {"spec.ref": "x", "spec.value": None}, FORBIDDEN, "spec.ref"),
    row("value and ref", {"spec.ref": "x"}, FORBIDDEN, "spec.ref", FORBIDDEN, "spec"),
    row(
        "65 decrypters, whatever they are",
        {"spec.decrypters": [""] * 65},
        *(TOO_MANY, "spec.decrypters"),
    ),
    row("a blank decrypter", {"spec.decrypters": ["a", " "]}, INVALID, "spec.decrypters.[1]"),
    row("a pattern", {"spec.decrypters": ["*"]}, INVALID, "spec.decrypters.[0]"),
    row("a decrypter of 64", {"spec.decrypters": ["d" * 64]}, INVALID, "spec.decrypters.[0]"),
    row("a decrypter twice", {"spec.decrypters": ["a", "a"]}, INVALID, "spec.decrypters.[1]"),
    row(
        "two decrypters",
        {"spec.decrypters": [NO_LABEL, "a", "a/b"]},
        *(INVALID, "spec.decrypters.[0]"),
        *(INVALID, "spec.decrypters.[2]"),
    ),
    row(
        "a value for a third party's keeper",
        {},
        *(FORBIDDEN, "spec"),
        namespace=AWS_NAMESPACE,
        verbs=CREATES,
    ),
    row(
        "a ref for a third party's keeper",
        {"spec.ref": "x", "spec.value": None},
        *(FORBIDDEN, "spec.ref"),
        namespace=AWS_NAMESPACE,
        verbs=CREATES,
    ),
    row(
        "the value as the name",
        {"spec.value": NAME_LIKE_VALUE},
        *(FORBIDDEN, "metadata.name"),
        name=NAME_LIKE_VALUE,
        verbs=CREATES,
    ),
    row(
        "the value in generateName",
        {
            "metadata.name": None,
            "metadata.generateName": f"x-{NAME_LIKE_VALUE}-",
            "spec.value": NAME_LIKE_VALUE,
        },
        *(FORBIDDEN, "metadata.generateName"),
        verbs=(CREATE,),
    ),
    row("the value as a label's key", {LABELS: {VALUE: "v"}}, FORBIDDEN, LABELS),
    row("the value in a label", {LABELS: {"team": f"x.{VALUE}"}}, FORBIDDEN, LABELS),
    row("the value in a key", {ANNOTATIONS: {f"a/{VALUE}": "v"}}, FORBIDDEN, ANNOTATIONS),
    row("the value in an annotation", {ANNOTATIONS: {"a": VALUE}}, FORBIDDEN, ANNOTATIONS),
    row("the value in an owner", {OWNERS: [OWNER | {"name": VALUE}]}, FORBIDDEN, OWNERS),
    row("the value told", {"spec.description": f"={VALUE};"}, FORBIDDEN, "spec.description"),
    row("the value as decrypter", {"spec.decrypters": [VALUE]}, FORBIDDEN, "spec.decrypters"),
)

ROLE = "spec.aws.assumeRole"
OF_KEEPERS = (
    row("the vault's own name", {}, FORBIDDEN, "name", name="system", verbs=CREATES),
    row("no provider", {"spec.aws": None}, REQUIRED, "spec"),
    row("two providers", {"spec.azure": {}}, INVALID, "spec"),
    row("azure", {"spec.aws": None, "spec.azure": {}}, FORBIDDEN, "spec.azure"),
    row("gcp", {"spec.aws": None, "spec.gcp": {}}, FORBIDDEN, "spec.gcp"),
    row(
        "hashiCorpVault",
        {"spec.aws": None, "spec.hashiCorpVault": {}},
        *(FORBIDDEN, "spec.hashiCorpVault"),
    ),
    row("an empty region", {"spec.aws.region": ""}, REQUIRED, "spec.aws.region"),
    row("no region", {"spec.aws.region": None}, REQUIRED, "spec.aws.region"),
    row("no such region", {"spec.aws.region": f"{NO_VALUE}/"}, INVALID, "spec.aws.region"),
    row("no role", {ROLE: None}, REQUIRED, "spec.aws"),
    row(
        "an empty role",
        {f"{ROLE}.assumeRoleArn": None, f"{ROLE}.externalID": None},
        *(REQUIRED, f"{ROLE}.assumeRoleArn"),
        *(REQUIRED, f"{ROLE}.externalID"),
    ),
    row("a blank ARN", {f"{ROLE}.assumeRoleArn": " "}, REQUIRED, f"{ROLE}.assumeRoleArn"),
    row("no external id", {f"{ROLE}.externalID": None}, REQUIRED, f"{ROLE}.externalID"),
    row(
        "a long ARN", {f"{ROLE}.assumeRoleArn": "a" * 2_049}, TOO_LONG, f"{ROLE}.assumeRoleArn"
    ),
    row("a long id", {f"{ROLE}.externalID": "i" * 1_225}, TOO_LONG, f"{ROLE}.externalID"),
    row("an id of two lines", {f"{ROLE}.externalID": "i\ni"}, INVALID, f"{ROLE}.externalID"),
)

RULES: tuple[tuple[Kind, Row], ...] = (
    *((SECURE_VALUE, row) for row in (*OF_BOTH_KINDS, *OF_SECURE_VALUES)),
    *((KEEPER, row) for row in (*OF_BOTH_KINDS, *OF_KEEPERS)),
)
