"""Lists: pages of what a caller may read."""

from dataclasses import dataclass, field

from chassis.caller import Caller
from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.access import Action
from metadata_svc.domain.selector import (
    LabelOperator,
    SelectedField,
    Selector,
    require_valid_selector,
)
from metadata_svc.domain.text import is_storable
from metadata_svc.domain.validation import require_valid_namespace
from metadata_svc.ports.reader import Page, PageQuery, Reader
from metadata_svc.use_cases.access import readable

MAX_PAGE_SIZE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """Which page of which list."""

    namespace: str
    selector: Selector = field(default_factory=Selector)
    page_size: int = 0
    after_name: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page, and the counter as it was before the page was read."""

    page: Page
    resource_version: int


@dataclass(frozen=True, slots=True)
class SecureValueLists:
    """What a caller with the read action may list."""

    reader: Reader

    async def page(self, caller: Caller, request: ListRequest) -> Listing:
        """A page of what the caller may read; what it may not read shapes nothing of it.

        Raises PermissionDeniedError without any read right; InvalidArgumentError.
        """
        scope = readable(caller, Action.READ, request.namespace)
        require_valid_namespace(request.namespace)
        require_valid_selector(request.selector, frozenset(SelectedField))
        _require_valid_page(request)
        labels = {
            r.key: r.values[0]
            for r in request.selector.labels
            if r.operator is LabelOperator.IN and len(r.values) == 1
        }
        fields = [
            f.value
            for f in request.selector.fields
            if f.field is SelectedField.DECRYPTER and not f.negated
        ]
        if len(labels) < len(request.selector.labels) or len(fields) < len(
            request.selector.fields
        ):
            raise InvalidArgumentError("this selector is not supported yet")
        resource_version = await self.reader.resource_version(request.namespace)
        page = await self.reader.page(
            PageQuery(
                namespace=request.namespace,
                scope=scope,
                labels=labels,
                decrypter=fields[0] if fields else "",
                after_name=request.after_name,
                limit=request.page_size or MAX_PAGE_SIZE,
            )
        )
        return Listing(page, resource_version)


def _require_valid_page(request: ListRequest) -> None:
    rules = (
        ("limit", 0 <= request.page_size <= MAX_PAGE_SIZE, f"must be 0 to {MAX_PAGE_SIZE}"),
        ("continue", is_storable(request.after_name), "must not contain NUL"),
    )
    found = tuple(
        FieldViolation(path, Rule.INVALID, text) for path, ok, text in rules if not ok
    )
    if found:
        raise InvalidArgumentError(violations=found)
