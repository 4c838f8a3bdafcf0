"""What is read outside a transaction: secure values, as committed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from metadata_svc.domain.access import Location, Scope
from metadata_svc.domain.secure_value import SecureValue


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """One page of a namespace: names after `after_name`, in byte order, that match it all."""

    namespace: str
    scope: Scope
    labels: Mapping[str, str] = field(default_factory=dict)
    decrypter: str = ""
    after_name: str = ""
    limit: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some secure values in name order, and whether more match after the last one here."""

    secure_values: tuple[SecureValue, ...]
    more: bool


class Reader(Protocol):
    """Reads committed secure values, each call by one statement on the primary.

    Suite: tests/contracts/metadata_svc/reader.py.
    """

    async def get(self, namespace: str, name: str) -> SecureValue | None:
        """The live secure value, if there is one."""
        ...

    async def page(self, query: PageQuery) -> Page:
        """At most `limit` secure values; fewer, but at least one, when they are large."""
        ...

    async def locate(self, namespace: str, names: Sequence[str]) -> dict[str, Location]:
        """Where the values of these names are; a name with no live secure value is missing."""
        ...

    async def last_version(self, namespace: str, name: str) -> int:
        """The last version the name ever had, deleted ones included; 0 if it had none."""
        ...

    async def resource_version(self, namespace: str) -> int:
        """The namespace's counter; 0 before its first write."""
        ...
