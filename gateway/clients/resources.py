"""What can be asked of the services about one kind, in the same words for both kinds.

- What carries a value goes to the vault; all else goes to metadata.
- Every call carries the caller's own token unchanged; the gateway has no right of its own.
- Every method raises the peer's KnownError; InternalError's kin, for what is in no vocabulary,
  arrive as UnavailableError.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from chassis.sensitive import Sensitive
from gateway.queries.delete_options import DeleteOptions
from gateway.queries.ordering import START, Ordering, Place
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager
from protos.splitkeep.metadata.v1.secure_value_pb2 import Preconditions
from protos.splitkeep.metadata.v1.selector_pb2 import Selector
from protos.splitkeep.metadata.v1.watch_pb2 import EventType

ItemT_co = TypeVar("ItemT_co", covariant=True)
WriteT_contra = TypeVar("WriteT_contra", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How a write is made, whatever it writes."""

    dry_run: bool = False
    idempotency_key: str = ""
    """Of a create only. Empty: every request is one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialEdit:
    """An edit that names only what it changes; a keeper has no decrypters."""

    namespace: str
    name: str
    description: str | None = None
    put_labels: Mapping[str, str] = field(default_factory=dict)
    remove_labels: tuple[str, ...] = ()
    add_decrypters: tuple[str, ...] = ()
    remove_decrypters: tuple[str, ...] = ()
    decrypters: tuple[str, ...] | None = None
    """The whole list, instead of additions and removals."""
    preconditions: Preconditions
    manager: FieldManager


@dataclass(frozen=True, slots=True)
class Found(Generic[ItemT_co]):
    """One object, and whether its caller may read it; if not, it is its identity alone."""

    item: ItemT_co
    readable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAsk:
    """Which page of which list. A `since` or an `exact` of 0 checks nothing."""

    namespace: str
    selector: Selector
    page_size: int
    ordering: Ordering = field(default_factory=Ordering)
    """Of secure values only."""
    after: Place = START
    since: int = 0
    """The counter that the list's first page carried."""
    exact: int = 0
    """The only state of the namespace that will do."""


@dataclass(frozen=True, slots=True)
class PageOf(Generic[ItemT_co]):
    """Part of a list, and the place after which it goes on, if it does."""

    items: tuple[ItemT_co, ...]
    next: Place | None
    resource_version: int
    wire_bytes: int = 0
    """How long the page was on the wire."""
    damaged_names: tuple[str, ...] = ()
    """Those that match as well, and cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchAsk:
    """Which changes: those after a version, or what there is and then every change."""

    namespace: str
    selector: Selector
    after_resource_version: int = 0
    initial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Generic[ItemT_co]):
    """One thing that happened; a bookmark has no item."""

    type: EventType.ValueType
    resource_version: int
    item: ItemT_co | None
    initial_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePageAsk:
    """Which page of what is to be deleted, and how."""

    namespace: str
    selector: Selector
    options: DeleteOptions
    after_name: str = ""

    def following(self, after_name: str) -> "DeletePageAsk":
        """The same for the page after that name."""
        return replace(self, after_name=after_name)


@dataclass(frozen=True, slots=True)
class DeletedPage:
    """What is gone, and where the next page starts: empty when this was the last."""

    names: tuple[str, ...]
    after_name: str


class Resources(Protocol[ItemT_co, WriteT_contra]):
    """One kind's objects, wherever their parts are kept.

    Contract suite: tests/contracts/gateway/resources.py. Every method raises
    UnauthenticatedError, PermissionDeniedError, InvalidArgumentError, UnavailableError,
    ResourceExhaustedError and DeadlineExceededError, besides what it says itself.
    """

    async def create(
        self, write: WriteT_contra, *, options: WriteOptions, token: Sensitive[str]
    ) -> ItemT_co:
        """The new object. Raises AlreadyExistsError."""
        ...

    async def update(
        self, write: WriteT_contra, *, options: WriteOptions, token: Sensitive[str]
    ) -> ItemT_co:
        """The object as updated. Raises NotFoundError, ConflictError."""
        ...

    async def edit(
        self, edit: PartialEdit, *, options: WriteOptions, token: Sensitive[str]
    ) -> ItemT_co:
        """The object as edited. Raises NotFoundError, ConflictError."""
        ...

    async def get(
        self, *, namespace: str, name: str, to_update: bool = False, token: Sensitive[str]
    ) -> Found[ItemT_co]:
        """The object as it is, by the right to read or else to write. Raises NotFoundError."""
        ...

    async def list_page(self, ask: PageAsk, *, token: Sensitive[str]) -> PageOf[ItemT_co]:
        """One page of those selected that the caller may read.

        With a search or an order it may be shorter than asked for, or empty, and yet have a
        next. Raises ExpiredError; UnavailableError also if metadata knows no ordering yet.
        """
        ...

    def watch(
        self, ask: WatchAsk, *, seconds: float, token: Sensitive[str]
    ) -> AsyncGenerator[Event[ItemT_co], None]:
        """What happens, for `seconds`; then DeadlineExceededError. Raises ExpiredError."""
        ...

    async def delete(
        self, *, namespace: str, name: str, options: DeleteOptions, token: Sensitive[str]
    ) -> ItemT_co:
        """The object as it was when it left.

        Raises NotFoundError, ConflictError, FailedPreconditionError (a keeper in use).
        """
        ...

    async def delete_page(self, ask: DeletePageAsk, *, token: Sensitive[str]) -> DeletedPage:
        """Deletes one page of those selected that the caller may delete.

        Raises ConflictError, FailedPreconditionError; what was deleted before stays deleted.
        """
        ...
