"""The fields of both kinds: SECURE_VALUE and KEEPER are whole objects, metadata included.

A field that is not in the tree is unknown: walk it with `Struct.knows` and `Struct.fields`,
`MapOf.values` (any key is known) and `ListOf.items`; everything below `Anything` is known.
"""

from gateway.schema.object_meta import (
    API_VERSION,
    KIND,
    LABEL_PATTERN,
    MAX_LABEL_LENGTH,
    OBJECT_META,
)
from gateway.schema.types import Anything, Flag, ListOf, MapOf, Schema, Struct, Text, Whole

GROUP_PACKAGE = "app.grafana.secret"
"""The group, reversed; the version follows it in the name of a definition."""

MAX_DESCRIPTION_LENGTH = 253
MAX_VALUE_BYTES = 24_576
MAX_REF_LENGTH = 1_024
MAX_DECRYPTERS = 64
MAX_ROLE_ARN_LENGTH = 2_048
MAX_EXTERNAL_ID_LENGTH = 1_224
MAX_REGION_LENGTH = 63
REGION_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

_OPERATOR_STATE = Struct(
    description="State of one operator.",
    fields={
        "lastEvaluation": Text(description="The resourceVersion it last looked at."),
        "state": Text(description="Its outcome."),
        "descriptiveState": Text(description="Its outcome, for people."),
        "details": Anything(description="Whatever else it says."),
    },
)

_UNUSED_STATUS: dict[str, Schema] = {
    "operatorStates": MapOf(
        description="Not used by this API; ignored when sent.", values=_OPERATOR_STATE
    ),
    "additionalFields": Anything(description="Not used by this API; ignored when sent."),
}

SECURE_VALUE_SPEC = Struct(
    name="SecureValueSpec",
    package=GROUP_PACKAGE,
    description="What the secure value is to be.",
    required=("description",),
    fields={
        "description": Text(
            description="What the secret is for, for people. Never put the secret in it.",
            min_length=1,
            max_length=MAX_DESCRIPTION_LENGTH,
        ),
        "value": Text(
            description=(
                "The secret itself, 1 to 24576 bytes of UTF-8. It can be written and never "
                "read: no answer carries it. Left out of an update, the present value stays."
            ),
            min_length=1,
            max_length=MAX_VALUE_BYTES,
            write_only=True,
        ),
        "ref": Text(
            description=(
                "Name of a secret that a third-party keeper already holds, in place of value."
            ),
            min_length=1,
            max_length=MAX_REF_LENGTH,
        ),
        "decrypters": ListOf(
            description=(
                "Service identities that may decrypt the value, such as synthetic-monitoring, "
                "k6-cloud and provisioning.grafana.app. At most 64, in the order given; when "
                "empty, nobody may. The list is replaced as a whole."
            ),
            items=Text(min_length=1, max_length=MAX_LABEL_LENGTH, pattern=LABEL_PATTERN),
            max_items=MAX_DECRYPTERS,
            unique=True,
            list_type="atomic",
        ),
    },
)

SECURE_VALUE_STATUS = Struct(
    name="SecureValueStatus",
    package=GROUP_PACKAGE,
    description="What the server says of the secure value; ignored when sent.",
    fields={
        "version": Whole(
            description=(
                "Counts values from 1. An edit without a value does not move it, and no number"
                " is used again, also not after delete and create."
            ),
            minimum=0,
        ),
        "keeper": Text(
            description="Keeper that holds the value; `system` is the server's own vault."
        ),
        "externalID": Text(description="Not used by this API; ignored when sent."),
        **_UNUSED_STATUS,
    },
)

AWS_ASSUME_ROLE = Struct(
    name="KeeperAWSAssumeRole",
    package=GROUP_PACKAGE,
    description="The role that is assumed to reach AWS Secrets Manager.",
    required=("assumeRoleArn", "externalID"),
    fields={
        "assumeRoleArn": Text(
            description="ARN of the role.", min_length=1, max_length=MAX_ROLE_ARN_LENGTH
        ),
        "externalID": Text(
            description="External id that the role's trust policy asks for.",
            min_length=1,
            max_length=MAX_EXTERNAL_ID_LENGTH,
        ),
    },
)

AWS_KEEPER = Struct(
    name="KeeperAWSConfig",
    package=GROUP_PACKAGE,
    description="AWS Secrets Manager of an account. Replaced as a whole.",
    required=("region", "assumeRole"),
    atomic=True,
    fields={
        "region": Text(
            description="AWS region, such as eu-west-1.",
            min_length=1,
            max_length=MAX_REGION_LENGTH,
            pattern=REGION_PATTERN,
        ),
        "assumeRole": AWS_ASSUME_ROLE,
    },
)

KEEPER_SPEC = Struct(
    name="KeeperSpec",
    package=GROUP_PACKAGE,
    description="What the keeper is to be: a description and exactly one provider.",
    required=("description",),
    refused=frozenset({"azure", "gcp", "hashiCorpVault"}),
    fields={
        "description": Text(
            description="What the keeper is for, for people.",
            min_length=1,
            max_length=MAX_DESCRIPTION_LENGTH,
        ),
        "aws": AWS_KEEPER,
    },
)

KEEPER_STATUS = Struct(
    name="KeeperStatus",
    package=GROUP_PACKAGE,
    description="What the server says of the keeper; ignored when sent.",
    fields={
        "active": Flag(
            description=(
                "Whether new secure values of the namespace are kept here. At most one keeper "
                "is active; when none is, it is the server's own vault, `system`."
            )
        ),
        **_UNUSED_STATUS,
    },
)


def _kind(name: str, description: str, spec: Struct, status: Struct) -> Struct:
    return Struct(
        name=name,
        package=GROUP_PACKAGE,
        description=description,
        required=("spec",),
        fields={
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": OBJECT_META,
            "spec": spec,
            "status": status,
        },
    )


SECURE_VALUE = _kind(
    "SecureValue",
    "SecureValue is a named secret: it can be written by people and read only by the services "
    "on its list of decrypters.",
    SECURE_VALUE_SPEC,
    SECURE_VALUE_STATUS,
)

KEEPER = _kind(
    "Keeper",
    "Keeper is a place outside the server that keeps secure values.",
    KEEPER_SPEC,
    KEEPER_STATUS,
)

SCHEMAS = {"SecureValue": SECURE_VALUE, "Keeper": KEEPER}
"""By the name of the kind."""
