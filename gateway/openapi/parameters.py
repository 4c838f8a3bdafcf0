"""What a request says outside its body: in its path, its query and one header."""

from dataclasses import dataclass

from gateway.bodies.request_json import JsonObject
from gateway.schema.types import Flag, Text, Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """Something that a request says outside its body."""

    name: str
    place: str
    schema: Text | Whole | Flag
    required: bool = False
    example: str = ""

    def head(self) -> JsonObject:
        """What both dialects say alike."""
        required = {"required": True} if self.required else {}
        return {"name": self.name, "in": self.place, **required}


def _query(name: str, schema: Text | Whole | Flag) -> Parameter:
    return Parameter(name=name, place="query", schema=schema)


NAMESPACE = Parameter(
    name="namespace",
    place="path",
    required=True,
    example="default",
    schema=Text(
        description="Namespace: 1 to 63 lower-case letters, digits or '-'.",
        min_length=1,
        max_length=63,
        pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    ),
)
NAME = Parameter(
    name="name",
    place="path",
    required=True,
    schema=Text(description="Name of the object.", min_length=1, max_length=253),
)
PRETTY = _query("pretty", Text(description="`true` indents the answer's JSON."))
DRY_RUN = _query(
    "dryRun",
    Text(
        description="`All` runs every check and writes nothing, in neither service.",
        values=("All",),
    ),
)
FIELD_MANAGER = _query(
    "fieldManager",
    Text(
        description="Who makes the change, as managedFields is to say; required to apply.",
        max_length=128,
    ),
)
FIELD_VALIDATION = _query(
    "fieldValidation",
    Text(
        description="Unknown and duplicate fields: `Strict` refuses them, `Warn` (the default) "
        "answers with Warning headers, `Ignore` drops them.",
        values=("Ignore", "Warn", "Strict"),
    ),
)
FORCE = _query(
    "force",
    Flag(description="Takes over fields that another manager owns. Of apply patches only."),
)
IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    place="header",
    schema=Text(
        description="1 to 255 printable ASCII characters. The same caller, key and body within "
        "24 hours get the recorded result; another body is refused.",
        min_length=1,
        max_length=255,
        pattern="^[ -~]+$",
    ),
)
SELECTORS = (
    _query(
        "labelSelector",
        Text(description="Selects by labels, such as `team=a,stage in (dev,test),!old`."),
    ),
    _query(
        "fieldSelector",
        Text(
            description="Selects by metadata.name, metadata.namespace and, of secure values, "
            "spec.decrypter (the list contains it) and status.keeper."
        ),
    ),
)
ORDERING = (
    _query(
        "search",
        Text(
            description="Finds names that begin with this, or have it after a '-' or a '.'. "
            "Not of a watch.",
            max_length=253,
        ),
    ),
    _query(
        "sortBy",
        Text(
            description="The order, by name if not given; `-` reverses it. With sortBy or "
            "search a page may be shorter than its limit, or empty, and still have a "
            "`continue`. Not of a watch.",
            values=("name", "-name", "created", "-created", "modified", "-modified"),
        ),
    ),
)
LISTING = (
    *SELECTORS,
    _query("limit", Whole(description="Items of a page at most; 0 is no limit.", minimum=0)),
    _query("continue", Text(description="Where the page before ended, as its metadata said.")),
    _query(
        "resourceVersion",
        Text(description="Of a list: not older than this. Of a watch: changes after this."),
    ),
    _query(
        "resourceVersionMatch",
        Text(
            description="How resourceVersion is meant; `Exact` only at the present version.",
            values=("NotOlderThan", "Exact"),
        ),
    ),
    _query("watch", Flag(description="Answers with changes as they happen, one per line.")),
    _query(
        "allowWatchBookmarks",
        Flag(description="Of a watch: also tell how far it has come when nothing happened."),
    ),
    _query(
        "sendInitialEvents",
        Flag(description="Of a watch: what exists comes first, then a bookmark that says so."),
    ),
    _query(
        "timeoutSeconds", Whole(description="Of a watch: ends it after this long.", minimum=0)
    ),
)
