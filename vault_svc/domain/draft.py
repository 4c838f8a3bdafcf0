"""What a caller asks a secure value to be, as far as the vault reads it.

Metadata judges it. The vault only tells it apart from other drafts, and looks for the value in
its texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Operation(Enum):
    """What a write is."""

    CREATE = "create"
    UPDATE = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerReference:
    """The object of another API that a secure value belongs to."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Every text that a caller may give beside the value; nothing of it is checked."""

    namespace: str
    name: str = ""
    generate_name: str = ""
    description: str = ""
    decrypters: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ref: str = ""
    owner_references: tuple[OwnerReference, ...] = ()
    # Who writes, in a message of metadata's own; no part of what is asked for.
    manager: bytes = b""
