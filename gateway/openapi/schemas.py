"""The schema tree as JSON Schema, in the two dialects of OpenAPI.

Named structs become definitions of their own; whoever mentions one refers to it. The `x-…`
members are Kubernetes' extensions, which kubectl and client libraries read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from gateway.bodies.request_json import JsonObject
from gateway.schema.kinds import GROUP_PACKAGE
from gateway.schema.types import Anything, Flag, ListOf, MapOf, Schema, Struct, Text, Whole

GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"


class Dialect(Enum):
    """Which OpenAPI, and where it keeps definitions."""

    V2 = "#/definitions/"
    V3 = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class GroupVersionKind:
    """What Kubernetes' clients find a schema or an operation by."""

    group: str
    version: str
    kind: str

    def to_json(self) -> JsonObject:
        """As the extension's value."""
        return {"group": self.group, "version": self.version, "kind": self.kind}


@dataclass
class Definitions:
    """The named structs that were mentioned so far, of one version of the API."""

    dialect: Dialect
    version: str
    kinds: dict[str, tuple[GroupVersionKind, ...]] = field(default_factory=dict)
    """The group, version and kind of the structs that are whole objects, by their names."""
    made: JsonObject = field(default_factory=dict)

    def schema(self, schema: Schema) -> JsonObject:
        """The schema as it stands where it is used."""
        match schema:
            case Struct(name=name) if name:
                return self._described(schema)
            case Struct():
                return self._struct(schema)
            case ListOf():
                return self._list(schema)
            case MapOf():
                return self._map(schema)
            case _:
                return _scalar(schema, self.dialect)

    def bare(self, schema: Schema) -> JsonObject:
        """As a whole body: a named struct is nothing but its reference."""
        if isinstance(schema, Struct) and schema.name:
            return self._reference(schema)
        return self.schema(schema)

    def one_of(self, schemas: Sequence[Schema]) -> JsonObject:
        """Any one of several named structs, as a definition that is named after them.

        Generators of clients name their types after definitions; what has no name gets one that
        changes with the order of the document.
        """
        first, *_ = structs = [each for each in schemas if isinstance(each, Struct)]
        name = "Or".join(struct.name for struct in structs)
        key = f"{self._package(first)}.{name}"
        references = [self._reference(struct) for struct in structs]
        self.made[key] = {"anyOf": references}
        return {"$ref": f"{self.dialect.value}{key}"}

    def _reference(self, struct: Struct) -> JsonObject:
        key = self._key(struct)
        if key not in self.made:
            self.made[key] = {}  # mentioned: a struct that contains itself ends here
            self.made[key] = self._definition(struct)
        return {"$ref": f"{self.dialect.value}{key}"}

    def _described(self, struct: Struct) -> JsonObject:
        """With a description beside it, which a bare reference cannot have in OpenAPI 3.0."""
        reference = self._reference(struct)
        described: JsonObject = {"description": struct.description}
        if self.dialect is Dialect.V2:
            return described | reference
        return described | {"allOf": [reference]}

    def _key(self, struct: Struct) -> str:
        return f"{self._package(struct)}.{struct.name}"

    def _package(self, struct: Struct) -> str:
        of_group = struct.package == GROUP_PACKAGE
        return f"{struct.package}.{self.version}" if of_group else struct.package

    def _definition(self, struct: Struct) -> JsonObject:
        """Described here if it is a whole object, and else where it is used.

        `kubectl explain` prints both descriptions of a field, one after the other.
        """
        made = self._struct(struct)
        kinds = self.kinds.get(struct.name, ())
        if kinds:
            return made | {GROUP_VERSION_KIND: [kind.to_json() for kind in kinds]}
        made.pop("description", None)
        return made

    def _struct(self, struct: Struct) -> JsonObject:
        made: JsonObject = {
            "type": "object",
            "properties": {name: self.schema(inner) for name, inner in struct.fields.items()},
        }
        if struct.description:
            made["description"] = struct.description
        if struct.required:
            made["required"] = list(struct.required)
        if struct.atomic:
            made["x-kubernetes-map-type"] = "atomic"
        return made

    def _list(self, schema: ListOf) -> JsonObject:
        bounds: JsonObject = {
            "description": schema.description,
            "maxItems": schema.max_items,
            "uniqueItems": schema.unique or None,
            "x-kubernetes-list-type": schema.list_type,
            "x-kubernetes-list-map-keys": list(schema.map_keys),
        }
        return {"type": "array", "items": self.schema(schema.items)} | _given(bounds)

    def _map(self, schema: MapOf) -> JsonObject:
        described = {"description": schema.description, "maxProperties": schema.max_members}
        values = self.schema(schema.values)
        return {"type": "object", "additionalProperties": values} | _given(described)


def _scalar(schema: Text | Whole | Flag | Anything, dialect: Dialect) -> JsonObject:
    described = _given({"description": schema.description})
    match schema:
        case Text():
            return {"type": "string"} | described | _text_bounds(schema, dialect)
        case Whole():
            integer: JsonObject = {"type": "integer", "format": "int64"}
            minimum = {} if schema.minimum is None else {"minimum": schema.minimum}
            return integer | described | minimum
        case Flag():
            return {"type": "boolean"} | described
        case Anything(of_any_type=True):
            return described
    return {"type": "object"} | described


def _text_bounds(schema: Text, dialect: Dialect) -> JsonObject:
    return _given(
        {
            "minLength": schema.min_length,
            "maxLength": schema.max_length,
            "pattern": schema.pattern,
            "format": schema.format,
            "enum": list(schema.values),
            "writeOnly": schema.write_only and dialect is Dialect.V3,
        }
    )


def _given(members: Mapping[str, object]) -> JsonObject:
    """Without those that say nothing."""
    return {key: value for key, value in members.items() if value}
