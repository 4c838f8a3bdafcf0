"""Who makes a write, as Kubernetes calls it: the client program, not the person.

The rules are those of Kubernetes' `fieldManager` (API concepts, "Field management").
"""

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from gateway.queries.query import Query
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager

LONGEST_NAME = 128
UNKNOWN = "unknown"
"""Of a client that says nothing of itself; its fields are somebody's all the same."""


def field_manager_from(query: Query, user_agent: str, *, api_version: str) -> FieldManager:
    """The manager named in the query, or else the program that sends.

    Raises BadRequestError (given twice), InvalidArgumentError (too long, not printable).
    """
    name = query.text("fieldManager")
    if len(name) > LONGEST_NAME:
        raise _refusal(Rule.TOO_LONG, f"must be at most {LONGEST_NAME} characters")
    if not name.isprintable():
        raise _refusal(Rule.INVALID, "must have printable characters only")
    return FieldManager(name=name or _program(user_agent), api_version=api_version)


def _program(user_agent: str) -> str:
    """What stands before the first `/` (RFC 9110 §10.1.5: the product)."""
    product = user_agent.partition("/")[0][:LONGEST_NAME]
    return "".join(filter(str.isprintable, product)).strip() or UNKNOWN


def _refusal(rule: Rule, message: str) -> InvalidArgumentError:
    return InvalidArgumentError(violations=(FieldViolation("fieldManager", rule, message),))
