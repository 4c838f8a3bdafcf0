"""Whether metadata answers what it was asked.

The vault seals a value under the name that metadata answers, and erases by the ids that it
answers. So an answer about anything else than was asked is a fault of the installation, or
somebody's hand: it is logged as an error, and nothing is sealed, claimed or erased by it.
"""

from collections.abc import Sequence
from typing import NoReturn
from uuid import UUID

import structlog

from chassis.errors import UnavailableError
from protos.splitkeep.metadata.v1 import secure_value_pb2
from vault_svc.domain.access import could_be_name
from vault_svc.domain.draft import Draft, Operation
from vault_svc.ports.metadata import PreparedWrite, ValueState, Write
from vault_svc.ports.values import ValueKey

# Of a prefix metadata keeps so much at least, whatever it completes it with (a name has 253).
KEPT_PREFIX_CHARACTERS = 243
MAXIMUM_NAMESPACE_CHARACTERS = 63

_log = structlog.get_logger(__name__)


def askable(keys: Sequence[ValueKey]) -> list[ValueKey]:
    """Without those that metadata takes no question about.

    A damaged row must not fail the page that it is on; it stays where it is.
    """
    asked = [key for key in keys if len(key.namespace) <= MAXIMUM_NAMESPACE_CHARACTERS]
    if len(asked) < len(keys):
        _log.error(
            "values of an impossible namespace are left as they are",
            left_count=len(keys) - len(asked),
        )
    return asked


def check_prepared(
    write: Write, prepared: PreparedWrite, expected: secure_value_pb2.Preconditions
) -> None:
    """Returns if it is this write that was prepared. Raises UnavailableError."""
    if prepared.operation is not write.operation:
        contradictory("another operation was prepared than was asked")
    if not _is_name_for(write.draft, write.operation, prepared.name):
        contradictory("another name was prepared than was asked")
    if not _is_uuid(prepared.uid):
        contradictory("a uid was prepared that is none")
    if expected.uid and prepared.uid != expected.uid:
        contradictory("another uid was prepared than was asked")
    if not prepared.keeper:
        contradictory("no keeper was prepared")


def check_recorded(write: Write, recorded: secure_value_pb2.SecureValue) -> None:
    """Returns if an earlier write like this one could have made it. Raises UnavailableError."""
    if write.idempotency is None or write.dry_run or write.operation is not Operation.CREATE:
        contradictory("a recorded create was answered where none was asked for")
    _check_made(write, recorded)


def check_preview(
    write: Write, prepared: PreparedWrite, preview: secure_value_pb2.SecureValue
) -> None:
    """Returns if it is what the prepared write would make. Raises UnavailableError."""
    _check_identity(write, prepared, preview)


def check_claimed(
    write: Write, prepared: PreparedWrite, made: secure_value_pb2.SecureValue
) -> None:
    """Returns if it is what the prepared write made, or an earlier one like it.

    Raises UnavailableError.
    """
    if write.idempotency is None:
        _check_identity(write, prepared, made)
    else:
        _check_made(write, made)


def check_states(
    asked: Sequence[ValueKey], answered: Sequence[tuple[ValueKey, ValueState]]
) -> None:
    """Returns if each state is of an id that was asked, once. Raises UnavailableError."""
    keys = [key for key, _ in answered]
    if len(set(keys)) != len(keys) or not set(asked).issuperset(keys):
        contradictory("states of other value ids were answered than were asked")


def check_page(keys: Sequence[ValueKey], limit: int) -> None:
    """Returns if no id is there twice, and no more than asked. Raises UnavailableError."""
    if len(keys) > limit or len(set(keys)) != len(keys):
        contradictory("a page of released value ids was answered that is none")


def contradictory(problem: str) -> NoReturn:
    """Raises UnavailableError; the problem is in the log."""
    _log.error("an answer of metadata's contradicts the question: not used", problem=problem)
    raise UnavailableError("metadata answered something else than it was asked")


def _check_identity(
    write: Write, prepared: PreparedWrite, told: secure_value_pb2.SecureValue
) -> None:
    if (told.name, told.uid) != (prepared.name, prepared.uid):
        contradictory("another secure value was told than was prepared")
    _check_made(write, told)


def _check_made(write: Write, told: secure_value_pb2.SecureValue) -> None:
    named = _is_name_for(write.draft, write.operation, told.name)
    if told.namespace != write.namespace or not named:
        contradictory("another secure value was told than was asked for")


def _is_name_for(draft: Draft, operation: Operation, name: str) -> bool:
    """The name that was asked for; or one that completes the prefix, if that was asked for."""
    if draft.name or operation is Operation.UPDATE:
        return name == draft.name
    start = draft.generate_name[:KEPT_PREFIX_CHARACTERS]
    return could_be_name(name) and name.startswith(start) and len(name) > len(start)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
