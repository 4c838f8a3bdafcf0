"""Get and list."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chassis.caller import Caller
from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.access import Action
from metadata_svc.domain.secure_value import SecureValue, not_found
from metadata_svc.domain.text import is_storable
from metadata_svc.domain.validation import require_valid_address, require_valid_namespace
from metadata_svc.ports.reader import Page, PageQuery, Reader
from metadata_svc.use_cases.access import authorise, readable

MAX_PAGE_SIZE = 500
MAX_SELECTOR_LABELS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """Which page of which list."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    decrypter: str = ""
    page_size: int = 0
    after_name: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page, and the counter as it was before the page was read."""

    page: Page
    resource_version: int


@dataclass(frozen=True, slots=True)
class SecureValueReads:
    """What a caller with the read action may see."""

    reader: Reader

    async def get(self, caller: Caller, namespace: str, name: str) -> SecureValue:
        """The live secure value.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError.
        """
        authorise(caller, Action.READ, namespace, name)
        require_valid_address(namespace, name)
        found = await self.reader.get(namespace, name)
        if found is None:
            raise not_found(name)
        return found

    async def list(self, caller: Caller, request: ListRequest) -> Listing:
        """A page of what the caller may read; what it may not read shapes nothing of it.

        Raises PermissionDeniedError without any read right; InvalidArgumentError.
        """
        scope = readable(caller, Action.READ, request.namespace)
        require_valid_namespace(request.namespace)
        _require_valid_list(request)
        resource_version = await self.reader.resource_version(request.namespace)
        page = await self.reader.page(
            PageQuery(
                namespace=request.namespace,
                scope=scope,
                labels=request.labels,
                decrypter=request.decrypter,
                after_name=request.after_name,
                limit=request.page_size or MAX_PAGE_SIZE,
            )
        )
        return Listing(page, resource_version)


def _require_valid_list(request: ListRequest) -> None:
    texts = (*request.labels, *request.labels.values())
    rules = (
        ("limit", 0 <= request.page_size <= MAX_PAGE_SIZE, f"must be 0 to {MAX_PAGE_SIZE}"),
        ("labelSelector", all(map(is_storable, texts)), "must not contain NUL"),
        (
            "labelSelector",
            len(request.labels) <= MAX_SELECTOR_LABELS,
            f"must have at most {MAX_SELECTOR_LABELS} terms",
        ),
        ("fieldSelector", is_storable(request.decrypter), "must not contain NUL"),
        ("continue", is_storable(request.after_name), "must not contain NUL"),
    )
    found = tuple(
        FieldViolation(path, Rule.INVALID, text) for path, ok, text in rules if not ok
    )
    if found:
        raise InvalidArgumentError(violations=found)
