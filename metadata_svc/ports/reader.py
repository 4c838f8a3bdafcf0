"""What is read outside a transaction: both kinds, as committed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar

from metadata_svc.domain.access import Location, Scope
from metadata_svc.domain.listing import START, Order, Place
from metadata_svc.domain.resource import Resource
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.selector import Selector

# Half of what a gRPC client takes by default; one secure value alone may weigh about 0.3 MiB.
MAX_PAGE_BYTES = 2 * 1024 * 1024

Address: TypeAlias = tuple[str, str]  # a namespace and a name in it

T_co = TypeVar("T_co", covariant=True, bound=Resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """One page of a namespace: those selected and found that come after a place in the order.

    Names are ordered by bytes. It has at most `limit` items, which weigh at most about
    `max_bytes`, but for a single one. Keepers have no other order, and no search.
    """

    namespace: str
    scope: Scope
    selector: Selector = field(default_factory=Selector)
    search: str = ""
    order: Order = field(default_factory=Order)
    after: Place = START
    limit: int
    max_bytes: int = MAX_PAGE_BYTES

    @property
    def simply_by_name(self) -> bool:
        """Whether there is no search, and the order is that of names."""
        return not self.search and self.order == Order()


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """Some resources in order, and the place after which the next page begins, if there is one.

    They are the namespace as its write number `resource_version` left it, 0 being no write.
    `damaged` names those that match and cannot be read: they are not among the items.
    """

    items: tuple[T_co, ...]
    next: Place | None
    resource_version: int
    damaged: tuple[str, ...] = ()

    @property
    def more(self) -> bool:
        """Whether there is a next page."""
        return self.next is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Every name on the page, the damaged ones included, in their own order."""
        return tuple(sorted((*(item.name for item in self.items), *self.damaged)))


class Pages(Protocol[T_co]):
    """Pages of one kind, each read by one statement on the primary.

    Suite: tests/contracts/metadata_svc/pages.py.
    """

    async def page(self, query: PageQuery) -> Page[T_co]:
        """At most `limit` resources; fewer, but at least one, when they are large.

        With a search, or in another order than that of names, it may have fewer or none and yet
        a next page: what one page costs is bounded. So it may of several pages' worth of
        damaged ones. In an order by time, what has a time that no answer can carry is left out.

        Raises UnavailableError.
        """
        ...


class Reader(Protocol):
    """Reads committed secure values, each call by one statement on the primary.

    Every method may raise UnavailableError. Suite: tests/contracts/metadata_svc/reader.py.
    """

    async def get(self, namespace: str, name: str) -> SecureValue | None:
        """The live secure value, if there is one."""
        ...

    async def locate(self, addresses: Sequence[Address]) -> dict[Address, Location]:
        """Where these values are; an address with no live secure value is missing.

        Each address must be made of what can be a namespace and a name (domain.text).
        """
        ...

    async def last_version(self, namespace: str, name: str) -> int:
        """The last version the name ever had, deleted ones included; 0 if it had none."""
        ...

    async def resource_version(self, namespace: str) -> int:
        """The namespace's counter; 0 before its first write."""
        ...
