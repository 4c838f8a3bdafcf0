"""Kubernetes' ObjectMeta, and what it is made of, as this API fills it.

Field names: Kubernetes API conventions, "Metadata". Fields that have no meaning here are known,
so that an object read elsewhere can be sent as it is; they are ignored.
"""

from gateway.schema.types import Anything, Flag, ListOf, MapOf, Struct, Text, Whole

META = "io.k8s.apimachinery.pkg.apis.meta.v1"

MAX_NAME_LENGTH = 253
MAX_LABEL_LENGTH = 63
MAX_LABELS = 11
"""Ten of the user's own, and the one that clients built on Grafana's app SDK add."""

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
PREFIX_PATTERN = r"^[a-z0-9][-a-z0-9.]*$"
LABEL_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$"

_IGNORED = "Not used by this API; ignored when sent."

OWNER_REFERENCE = Struct(
    name="OwnerReference",
    package=META,
    description="The object of another API that an object belongs to.",
    required=("apiVersion", "kind", "name", "uid"),
    fields={
        "apiVersion": Text(description="Group and version of the owner."),
        "kind": Text(description="Kind of the owner."),
        "name": Text(description="Name of the owner."),
        "uid": Text(description="uid of the owner."),
        "controller": Flag(description="Whether the owner is the managing controller."),
        "blockOwnerDeletion": Flag(description="Whether the owner waits for this object."),
    },
)

MANAGED_FIELDS_ENTRY = Struct(
    name="ManagedFieldsEntry",
    package=META,
    description="The fields that one field manager set by one kind of operation.",
    fields={
        "manager": Text(description="Name of the manager: `fieldManager` of its request."),
        "operation": Text(description="How it wrote.", values=("Apply", "Update")),
        "apiVersion": Text(description="Version of the API that it spoke."),
        "time": Text(description="When it last did.", format="date-time"),
        "fieldsType": Text(description="Format of fieldsV1.", values=("FieldsV1",)),
        "fieldsV1": Anything(description="The fields, as paths. They never hold a value."),
        "subresource": Text(description="The subresource that it wrote through."),
    },
)

LABELS = MapOf(
    description=(
        "Key and value pairs to organise and select objects by: at most 10. Keys and values "
        "are 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends. "
        "Where the server is set to allow it, a key may also have a lower-case DNS name and '/'"
        " before it, and a value may be empty."
    ),
    values=Text(max_length=MAX_LABEL_LENGTH, pattern=LABEL_VALUE_PATTERN),
    max_members=MAX_LABELS,
)

ANNOTATIONS = MapOf(
    description=(
        "Further key and value pairs, not used to select. The server sets "
        "grafana.app/createdBy, grafana.app/updatedBy and grafana.app/updatedTimestamp, and "
        "keeps kubectl.kubernetes.io/last-applied-configuration without spec.value and without "
        "fields that it does not know."
    ),
    values=Text(),
)

OBJECT_META = Struct(
    name="ObjectMeta",
    package=META,
    description="What every object has: its identity, its versions and its labels.",
    fields={
        "name": Text(
            description=(
                "Name, unique in its namespace and kind; it cannot be changed. Lower-case "
                "letters, digits, '-' and '.', with a letter or digit at both ends of every "
                "part between dots."
            ),
            min_length=1,
            max_length=MAX_NAME_LENGTH,
            pattern=NAME_PATTERN,
        ),
        "generateName": Text(
            description="Prefix that the server adds a random suffix to when name is left out.",
            pattern=PREFIX_PATTERN,
        ),
        "namespace": Text(
            description="Namespace of the object; that of the request's path when left out."
        ),
        "uid": Text(
            description=(
                "Set by the server, stable from create to delete. Sent with a write, it must "
                "be the present one, else the write is a conflict."
            )
        ),
        "resourceVersion": Text(
            description=(
                "Version of the object, an integer that grows with every write in the "
                "namespace. Sent with a write, it must be the present one, else the write is a"
                " conflict."
            )
        ),
        "generation": Whole(
            description="Grows with every change of spec, a new value included."
        ),
        "creationTimestamp": Text(
            description="When the server created the object.", format="date-time"
        ),
        "labels": LABELS,
        "annotations": ANNOTATIONS,
        "managedFields": ListOf(
            description="Who set which fields, for server-side apply. Ignored when sent.",
            items=MANAGED_FIELDS_ENTRY,
            list_type="atomic",
        ),
        "ownerReferences": ListOf(
            description="Objects that this one belongs to. Not supported yet: refused.",
            items=OWNER_REFERENCE,
            list_type="map",
            map_keys=("uid",),
        ),
        "deletionTimestamp": Text(description=_IGNORED, format="date-time"),
        "deletionGracePeriodSeconds": Whole(description=_IGNORED),
        "finalizers": ListOf(
            description="Not supported: a delete takes effect at once. Refused unless empty.",
            items=Text(),
            list_type="set",
        ),
        "selfLink": Text(description=_IGNORED),
    },
)

API_VERSION = Text(
    description="Group and version of this representation; that of the path when left out."
)
KIND = Text(description="Kind of the object; that of the path when left out.")
