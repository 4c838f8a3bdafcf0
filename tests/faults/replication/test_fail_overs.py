"""What was acknowledged survives every fail-over: scripted histories, two real servers each.

SPLITKEEP_TEST_FAIL_OVERS says how many. A failure prints the seed and the shortest broken part
of each history.
"""

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from chassis import commits
from chassis.commits import PLAIN, WriteConnections
from chassis.connection import Connection
from tests.acceptance.figures import record
from tests.faults.replication.fail_overs import FailOvers

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

T = TypeVar("T")

COUNT = int(os.environ.get("SPLITKEEP_TEST_FAIL_OVERS", "20"))
FOUND_WITHIN = 25


@pytest.mark.timeout(60 + 20 * COUNT)
async def test_nothing_that_was_acknowledged_is_lost_or_contradicted(
    fail_overs: FailOvers,
) -> None:
    for number in range(COUNT):
        await fail_overs.run(number)

    counts = fail_overs.counts
    print(f"seed {fail_overs.seed}:", dict(sorted(counts.items())))
    assert fail_overs.broken == [], "\n".join(fail_overs.broken)
    lost = {"acknowledged and lost or contradicted": len(fail_overs.broken)}
    record("fail-overs", counts | lost)
    for enough in ("writes: done", "writes: no answer", "repeats: done", "waits cancelled"):
        assert counts[enough] >= COUNT
    assert counts["reads without a standby: answered"] >= COUNT


def where_a_caller_ends_the_wait(patch: pytest.MonkeyPatch, over: FailOvers) -> None:
    """As it was: the commit is the caller's own statement, and a repeat finds it done."""

    async def ended(
        self: WriteConnections, connection: Connection, commit: Callable[[], Awaitable[T]]
    ) -> T:
        try:
            result = await commit()
        except BaseException as error:
            self.failed(connection, error)
            raise
        self._leave()
        self._connections.give_back(connection)
        return result

    patch.setattr(WriteConnections, "ended", ended)
    where_what_was_read_is_not_waited_for(patch, over)


def where_the_warning_is_ignored(patch: pytest.MonkeyPatch, _over: FailOvers) -> None:
    """Somebody cancels the wait, and the commit is taken for whole."""

    @contextmanager
    def unheard(_connection: Connection) -> Iterator[list[str]]:
        yield []

    patch.setattr(commits, "_warnings", unheard)


def where_what_was_read_is_not_waited_for(patch: pytest.MonkeyPatch, over: FailOvers) -> None:
    """A recorded outcome is answered although only the primary has it."""
    for database in (over.installation.metadata_database, over.installation.vault_database):
        patch.setattr(database._writing, "statements", PLAIN)


def where_the_bytes_are_not_waited_for(patch: pytest.MonkeyPatch, over: FailOvers) -> None:
    """The vault's own writes are statements like any other."""
    database: Any = over.installation.vault_database
    patch.setattr(database, "write", database.execute)
    patch.setattr(database, "write_rows", database.fetch)


@pytest.mark.timeout(60 + 20 * FOUND_WITHIN)
@pytest.mark.parametrize(
    "fault",
    [
        where_a_caller_ends_the_wait,
        where_the_warning_is_ignored,
        where_what_was_read_is_not_waited_for,
        where_the_bytes_are_not_waited_for,
    ],
)
async def test_a_service_is_found_out(
    fault: Callable[[pytest.MonkeyPatch, FailOvers], None],
    fail_overs: FailOvers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faulty = fail_overs.afresh(fault.__name__.replace("_", "-"))
    fault(monkeypatch, faulty)
    for number in range(FOUND_WITHIN):
        await faulty.run(number)
        if faulty.broken:
            break

    print(f"{len(faulty.broken)} broken after {number + 1}:", *faulty.broken[:1], sep="\n")
    assert faulty.broken != []
