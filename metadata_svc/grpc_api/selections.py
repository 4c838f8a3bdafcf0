"""Messages about many at once, of both kinds: selectors, orders, and event types."""

from dataclasses import replace
from datetime import UTC

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.event import EventType
from metadata_svc.domain.listing import Order, Place, SortKey
from metadata_svc.domain.selector import (
    FIELD_PATH,
    LABEL_PATH,
    FieldRequirement,
    LabelOperator,
    LabelRequirement,
    SelectedField,
    Selector,
)
from metadata_svc.grpc_api.messages import preconditions_from_proto
from metadata_svc.use_cases.delete_pages import DeletePageRequest
from metadata_svc.use_cases.lists import ListRequest
from metadata_svc.use_cases.watch import WatchRequest
from protos.splitkeep.metadata.v1 import (
    keepers_pb2,
    secure_values_pb2,
    selector_pb2,
    watch_pb2,
)

EVENT_TYPES = {
    EventType.ADDED: watch_pb2.EVENT_TYPE_ADDED,
    EventType.MODIFIED: watch_pb2.EVENT_TYPE_MODIFIED,
    EventType.DELETED: watch_pb2.EVENT_TYPE_DELETED,
    EventType.BOOKMARK: watch_pb2.EVENT_TYPE_BOOKMARK,
}

_OPERATORS = {
    selector_pb2.LABEL_OPERATOR_IN: LabelOperator.IN,
    selector_pb2.LABEL_OPERATOR_NOT_IN: LabelOperator.NOT_IN,
    selector_pb2.LABEL_OPERATOR_EXISTS: LabelOperator.EXISTS,
    selector_pb2.LABEL_OPERATOR_DOES_NOT_EXIST: LabelOperator.DOES_NOT_EXIST,
    selector_pb2.LABEL_OPERATOR_GREATER_THAN: LabelOperator.GREATER_THAN,
    selector_pb2.LABEL_OPERATOR_LESS_THAN: LabelOperator.LESS_THAN,
}
_SORT_KEYS = {
    secure_values_pb2.SORT_KEY_UNSPECIFIED: SortKey.NAME,
    secure_values_pb2.SORT_KEY_NAME: SortKey.NAME,
    secure_values_pb2.SORT_KEY_CREATED: SortKey.CREATED,
    secure_values_pb2.SORT_KEY_MODIFIED: SortKey.MODIFIED,
}
_FIELDS = {
    selector_pb2.SELECTED_FIELD_NAME: SelectedField.NAME,
    selector_pb2.SELECTED_FIELD_DECRYPTER: SelectedField.DECRYPTER,
    selector_pb2.SELECTED_FIELD_KEEPER: SelectedField.KEEPER,
}


def selector_from_proto(selector: selector_pb2.Selector) -> Selector:
    """Requirement by requirement; only what has no reading is refused here.

    Raises InvalidArgumentError for an operator or a field that is not known.
    """
    return Selector(
        tuple(_label_from_proto(requirement) for requirement in selector.labels),
        tuple(_field_from_proto(requirement) for requirement in selector.fields),
    )


def list_request_from_proto(
    request: secure_values_pb2.ListSecureValuesRequest | keepers_pb2.ListKeepersRequest,
) -> ListRequest:
    """See selector_from_proto for what is raised. Keepers have no search and no order."""
    asked = ListRequest(
        namespace=request.namespace,
        selector=selector_from_proto(request.selector),
        page_size=request.page_size,
        after=Place(request.after_name),
        since=request.since_resource_version,
        exact=request.exact_resource_version,
    )
    if isinstance(request, keepers_pb2.ListKeepersRequest):
        return asked
    return replace(
        asked,
        search=request.search,
        order=order_from_proto(request.order),
        after=place_from_proto(request),
    )


def order_from_proto(order: secure_values_pb2.ListOrder) -> Order:
    """Raises InvalidArgumentError for a key that is not known."""
    key = _SORT_KEYS.get(order.key)
    if key is None:
        raise _unknown("sortBy", "a key is not known")
    return Order(key, order.descending)


def place_from_proto(request: secure_values_pb2.ListSecureValuesRequest) -> Place:
    """Raises InvalidArgumentError for a time that is none."""
    if not request.HasField("after_time"):
        return Place(request.after_name)
    try:
        return Place(request.after_name, request.after_time.ToDatetime(UTC))
    except (ValueError, OverflowError) as error:
        raise _unknown("continue", "a time is beyond the calendar") from error


def watch_request_from_proto(
    request: secure_values_pb2.WatchSecureValuesRequest | keepers_pb2.WatchKeepersRequest,
) -> WatchRequest:
    """See selector_from_proto for what is raised."""
    return WatchRequest(
        namespace=request.namespace,
        selector=selector_from_proto(request.selector),
        after=request.after_resource_version,
        initial=request.initial,
    )


def delete_page_request_from_proto(
    request: secure_values_pb2.DeleteSecureValuesRequest | keepers_pb2.DeleteKeepersRequest,
) -> DeletePageRequest:
    """See selector_from_proto for what is raised."""
    return DeletePageRequest(
        namespace=request.namespace,
        selector=selector_from_proto(request.selector),
        preconditions=preconditions_from_proto(request.preconditions),
        dry_run=request.dry_run,
        after_name=request.after_name,
        page_size=request.page_size,
    )


def _label_from_proto(requirement: selector_pb2.LabelRequirement) -> LabelRequirement:
    operator = _OPERATORS.get(requirement.operator)
    if operator is None:
        raise _unknown(LABEL_PATH, "an operator is not known")
    return LabelRequirement(requirement.key, operator, tuple(requirement.values))


def _field_from_proto(requirement: selector_pb2.FieldRequirement) -> FieldRequirement:
    field = _FIELDS.get(requirement.field)
    if field is None:
        raise _unknown(FIELD_PATH, "a field is not known")
    return FieldRequirement(field, requirement.value, negated=requirement.negated)


def _unknown(path: str, message: str) -> InvalidArgumentError:
    return InvalidArgumentError(violations=(FieldViolation(path, Rule.INVALID, message),))
