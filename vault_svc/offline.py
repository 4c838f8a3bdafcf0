"""What is done with the database and the KEKs alone, whether or not anything serves.

`python -m vault_svc verify --names FILE` opens every value without showing one. FILE is what
`python -m metadata_svc values` lists: a value opens only under the name that it was sealed for.
"""

import secrets
from collections.abc import Iterator
from uuid import UUID

from chassis.clock import SystemClock
from chassis.config import StartRefusedError
from chassis.errors import UnavailableError
from chassis.json_lines import Line, line_problem, read_objects, write_object
from chassis.migrations import check_schema
from chassis.postgres import Database
from chassis.telemetry import record
from vault_svc.config import MIGRATIONS, PREFIX, VerifyConfig
from vault_svc.domain.envelope import KeyPurpose
from vault_svc.domain.sealing import DataKey
from vault_svc.kek_providers.local_file import load_keks
from vault_svc.ports.values import ValueKey
from vault_svc.postgres.sealed_values import PostgresSealedValueStore
from vault_svc.use_cases.unwrapped_keys import CacheBounds, KeyKind, UnwrappedKeys
from vault_svc.use_cases.verify import Expected, Flaw, Tally, Verify

STATEMENT_SECONDS = 60
_STATES_WITH_NAME = {"claimed"}
_STATES = _STATES_WITH_NAME | {"released"}


async def verify(config: VerifyConfig, names: str) -> bool:
    """Whether both databases agree and every value opens; what is wrong is on standard output.

    Raises StartRefusedError if the database, its schema, the KEKs or the list is not usable.
    """
    try:
        database = await Database.connect(
            config.dsn,
            application_name="vault_svc verify",
            setting=f"{PREFIX}DSN",
            connections=2,
            statement_timeout_seconds=STATEMENT_SECONDS,
        )
        try:
            await check_schema(database, MIGRATIONS)
            tally = await _verification(config, database).all(expected_values(names))
        finally:
            await database.close()
    except UnavailableError as error:
        raise StartRefusedError((f"the database cannot be asked: {error}",)) from error
    _log_tally(tally)
    return not tally.flaws


def expected_values(path: str) -> Iterator[Expected]:
    """The values in the list, in the order of keys.

    Raises StartRefusedError if a line breaks a rule, is out of order, or the last is missing.
    """
    count, last = 0, None
    lines = read_objects(path)
    for line in lines:
        if "count" in line.object:
            _require_end(lines, line, count)
            return
        value = _expected(line)
        if last is not None and value.key <= last:
            raise line_problem(line.number, "is not in the order of namespace and valueId")
        count, last = count + 1, value.key
        yield value
    raise StartRefusedError(
        ("the list is cut off: the line that counts the others is missing",)
    )


def _verification(config: VerifyConfig, database: Database) -> Verify:
    keks = load_keks(config.kek_file, secrets.token_bytes)
    data_keys = UnwrappedKeys(
        KeyKind(KeyPurpose.SEAL, DataKey.of),
        keks=keks,
        clock=SystemClock(),
        bounds=CacheBounds(limit=100),
    )
    return Verify(PostgresSealedValueStore(database), keks, data_keys, _write)


def _require_end(lines: Iterator[Line], line: Line, count: int) -> None:
    if line.object != {"count": count} or not isinstance(line.object["count"], int):
        raise line_problem(line.number, "does not count the lines before it")
    if next(lines, None) is not None:
        raise line_problem(line.number, "must be the last")


def _expected(line: Line) -> Expected:
    namespace, name = line.object.get("namespace"), line.object.get("name")
    state = line.object.get("state")
    if not isinstance(namespace, str) or not namespace:
        raise line_problem(line.number, "must have a namespace")
    if not isinstance(state, str) or state not in _STATES:
        raise line_problem(line.number, "must have the state claimed or released")
    if (state in _STATES_WITH_NAME) != isinstance(name, str):
        raise line_problem(line.number, "must have a name if, and only if, it is claimed")
    try:
        value_id = UUID(str(line.object.get("valueId")))
    except ValueError:
        raise line_problem(line.number, "must have a valueId that is a UUID") from None
    return Expected(ValueKey(namespace, value_id), name)


def _write(key: ValueKey, flaw: Flaw) -> None:
    write_object({"namespace": key.namespace, "valueId": str(key.value_id), "reason": flaw})


def _log_tally(tally: Tally) -> None:
    unknown = tally.flaws.get(Flaw.UNKNOWN, 0)
    record(
        "verified",
        opened_count=tally.opened,
        released_count=tally.released,
        awaiting_erasure_count=tally.awaiting_erasure,
        broken_count=sum(tally.flaws.values()) - unknown,
        unknown_to_metadata_count=unknown,
    )
