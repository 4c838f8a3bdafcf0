"""Deleting what is selected, page by page, each in a transaction of its own."""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from chassis.caller import Caller
from chassis.errors import FieldViolation, InvalidArgumentError, NotFoundError, Rule
from metadata_svc.domain.access import Scope
from metadata_svc.domain.listing import Place
from metadata_svc.domain.resource import Kind, Preconditions, ResourceT
from metadata_svc.domain.resource_rules import require_valid_namespace
from metadata_svc.domain.selector import Selector, require_valid_selector
from metadata_svc.domain.text import is_storable
from metadata_svc.ports.reader import PageQuery, Pages
from metadata_svc.ports.transactions import Replication
from metadata_svc.use_cases.access import readable
from metadata_svc.use_cases.edits import DeleteRequest
from metadata_svc.use_cases.kinds import DELETE, FIELDS, READ

T_co = TypeVar("T_co", covariant=True)

MAX_PAGE_SIZE = 100


class Deletes(Protocol[T_co]):
    """What this needs of the use cases that delete one."""

    async def delete(self, caller: Caller, request: DeleteRequest) -> T_co:
        """Gone; raises NotFoundError if it is not there, or not selected any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePageRequest:
    """Which page of those selected is to go; the preconditions are checked on each."""

    namespace: str
    selector: Selector = field(default_factory=Selector)
    preconditions: Preconditions = field(default_factory=Preconditions)
    dry_run: bool = False
    after_name: str = ""
    page_size: int = 0


@dataclass(frozen=True, slots=True)
class DeletedPage:
    """The names that are gone, and where the next page starts: nowhere if it is empty."""

    names: tuple[str, ...]
    after_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePages(Generic[ResourceT]):
    """What a caller with the delete action may delete of one kind."""

    kind: Kind
    replication: Replication
    pages: Pages[ResourceT]
    deletes: Deletes[ResourceT]

    async def page(self, caller: Caller, request: DeletePageRequest) -> DeletedPage:
        """Those of a page that the caller may delete are gone.

        Whoever selects by more than names learns of what is deleted how it is labelled: that
        needs the right to read it, too. One that somebody else deletes or changes so that it is
        not selected any more, is passed over. At another error the ones before it are gone.

        Raises PermissionDeniedError without any right, InvalidArgumentError, and for one of
        them what its deletion raises: ConflictError, FailedPreconditionError.
        """
        scope = self._scope(caller, request)
        require_valid_namespace(request.namespace)
        require_valid_selector(request.selector, FIELDS[self.kind])
        _require_valid_page(request)
        page = await self.pages.page(
            PageQuery(
                namespace=request.namespace,
                scope=scope,
                selector=request.selector,
                after=Place(request.after_name),
                limit=request.page_size or MAX_PAGE_SIZE,
            )
        )
        names = page.names
        gone = [name for name in names if await self._deleted(caller, request, name)]
        if not gone:
            # That nothing is left to delete is an answer, too.
            await self.replication.replicated()
        return DeletedPage(tuple(gone), page.next.name if page.next else "")

    def _scope(self, caller: Caller, request: DeletePageRequest) -> Scope:
        scope = readable(caller, DELETE[self.kind], request.namespace)
        if request.selector.tells_only_names:
            return scope
        return scope.within(readable(caller, READ[self.kind], request.namespace))

    async def _deleted(self, caller: Caller, request: DeletePageRequest, name: str) -> bool:
        one = DeleteRequest(
            namespace=request.namespace,
            name=name,
            preconditions=request.preconditions,
            dry_run=request.dry_run,
            selector=request.selector,
        )
        try:
            await self.deletes.delete(caller, one)
        except NotFoundError:
            return False
        return True


def _require_valid_page(request: DeletePageRequest) -> None:
    size, name = request.page_size, request.after_name
    rules = (
        ("limit", 0 <= size <= MAX_PAGE_SIZE, f"must be 0 to {MAX_PAGE_SIZE}"),
        ("continue", is_storable(name), "must not contain NUL"),
    )
    found = tuple(
        FieldViolation(path, Rule.INVALID, text) for path, ok, text in rules if not ok
    )
    if found:
        raise InvalidArgumentError(violations=found)
