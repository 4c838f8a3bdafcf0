"""What the head of a write says beside its body: who writes, how strictly, for real or not."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request

from gateway.bodies.field_validation import FieldValidation, field_validation_from
from gateway.errors import BadRequestError
from gateway.kinds import Target
from gateway.queries.field_manager import field_manager_from
from gateway.queries.query import Query, dry_run, query_from
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager

IDEMPOTENCY_KEY = "Idempotency-Key"
LONGEST_IDEMPOTENCY_KEY = 255


@dataclass(frozen=True, slots=True)
class WriteQuery:
    """The options that every write has (Kubernetes' CreateOptions, UpdateOptions, …)."""

    query: Query
    dry_run: bool
    manager: FieldManager
    validation: FieldValidation


def write_query_from(request: Request, target: Target) -> WriteQuery:
    """Raises BadRequestError, InvalidArgumentError."""
    query = query_from(request.scope["query_string"])
    return WriteQuery(
        query=query,
        dry_run=dry_run(query.all("dryRun"), field="dryRun"),
        manager=field_manager_from(
            query, request.headers.get("user-agent", ""), api_version=target.api_version
        ),
        validation=field_validation_from(query),
    )


def idempotency_key_of(headers: Headers) -> str:
    """The caller's name for this one write, empty when there is none.

    Raises BadRequestError.
    """
    keys = headers.getlist(IDEMPOTENCY_KEY)
    if not keys:
        return ""
    if len(keys) > 1:
        raise BadRequestError(f"{IDEMPOTENCY_KEY}: must be given once")
    key = keys[0]
    if not (0 < len(key) <= LONGEST_IDEMPOTENCY_KEY and key.isascii() and key.isprintable()):
        raise BadRequestError(
            f"{IDEMPOTENCY_KEY}: must be 1 to {LONGEST_IDEMPOTENCY_KEY} printable ASCII "
            "characters"
        )
    return key
