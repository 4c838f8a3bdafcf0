"""Bodies as people would send them, shown by the documentation page."""

from gateway.bodies.request_json import JsonObject
from gateway.kinds import GROUP, KEEPER, SECURE_VALUE, Kind
from gateway.openapi.operations import APPLY_PATCH, JSON_PATCH_TYPE, MERGE_PATCH_TYPE

SPECS: dict[Kind, JsonObject] = {
    SECURE_VALUE: {
        "description": "Token of the API",
        "value": "what nobody should see",
        "decrypters": ["synthetic-monitoring"],
    },
    KEEPER: {
        "description": "Secrets Manager of the shop's account",
        "aws": {
            "region": "eu-west-1",
            "assumeRole": {
                "assumeRoleArn": "arn:aws:iam::123456789012:role/splitkeep",
                "externalID": "shop",
            },
        },
    },
}
NAMES = {SECURE_VALUE: "api-token", KEEPER: "shop"}


def object_example(kind: Kind) -> JsonObject:
    """What a create or a replace sends."""
    metadata = {"name": NAMES[kind], "labels": {"team": "platform"}}
    return {"metadata": metadata, "spec": SPECS[kind]}


def edit_example(kind: Kind) -> JsonObject:
    """What an edit sends."""
    edit: JsonObject = {"labels": {"put": {"team": "platform"}, "remove": ["stage"]}}
    if kind is SECURE_VALUE:
        edit["decrypters"] = {"add": ["k6-cloud"], "remove": ["synthetic-monitoring"]}
    return edit


def patch_examples(kind: Kind, version: str) -> dict[str, object]:
    """What each kind of patch sends."""
    head = {"apiVersion": f"{GROUP}/{version}", "kind": kind.name}
    label = {"op": "add", "path": "/metadata/labels", "value": {"team": "platform"}}
    return {
        MERGE_PATCH_TYPE: {"metadata": {"labels": {"team": "platform"}}},
        JSON_PATCH_TYPE: [label],
        APPLY_PATCH: head | object_example(kind),
    }
