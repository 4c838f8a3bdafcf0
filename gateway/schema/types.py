"""What a field may hold, said once.

The OpenAPI documents are made from it, and a request's fields are known or unknown by it.

A length counts Unicode code points. A bound here is one that metadata or the vault holds too
(a test compares them): a client that checks it refuses nothing that the server takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A string; `values` are the only ones there are, if any are given."""

    description: str = ""
    min_length: int = 0
    max_length: int | None = None
    pattern: str = ""
    format: str = ""
    values: tuple[str, ...] = ()
    write_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A 64-bit integer."""

    description: str = ""
    minimum: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """True or false."""

    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything:
    """An object whose members are not described, or any JSON at all."""

    description: str = ""
    of_any_type: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A list; `list_type` is Kubernetes' x-kubernetes-list-type."""

    description: str = ""
    items: "Schema"
    max_items: int | None = None
    unique: bool = False
    list_type: str = ""
    map_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf:
    """An object with keys of the client's choice."""

    description: str = ""
    values: "Schema"
    max_members: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Struct:
    """An object with these fields and no others.

    `name` makes it a definition of its own in the documents, under its package.
    `refused` are fields that are understood in order to be refused with a reason of their own:
    no document shows them, and they are not unknown.
    """

    description: str = ""
    name: str = ""
    package: str = ""
    fields: Mapping[str, "Schema"]
    required: tuple[str, ...] = ()
    refused: frozenset[str] = field(default_factory=frozenset)
    atomic: bool = False

    def knows(self, name: str) -> bool:
        """Whether a client may send the field at all."""
        return name in self.fields or name in self.refused


Schema: TypeAlias = Text | Whole | Flag | Anything | ListOf | MapOf | Struct
