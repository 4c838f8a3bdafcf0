"""A former primary that was not fenced and serves again."""

import socket
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from chassis.config import StartRefusedError
from chassis.errors import UnavailableError
from chassis.high_water import HighWaterMarks
from chassis.postgres import Database
from chassis.sensitive import Sensitive
from tests.faults.replication.nodes import Pair

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITHHELD = (
    "pg_control_system()",
    "pg_logical_emit_message(boolean, text, text, boolean)",
)
WHERE = "SELECT inet_server_port() AS port"


@pytest_asyncio.fixture(loop_scope="module")
async def split(nodes: Pair) -> AsyncIterator[Pair]:
    """The standby took over, and the old primary serves again beside it."""
    await nodes.fail_over()
    await nodes.return_unfenced()
    yield nodes
    await nodes.follow_anew()


async def opened(dsn: Sensitive[str], marks: HighWaterMarks | None = None) -> Database:
    return await Database.connect(dsn, application_name="tests", marks=marks)


async def port_of(database: Database) -> int:
    row = await database.fetchrow(WHERE)
    return int(row["port"]) if row else 0


async def marks_of(dsn: Sensitive[str]) -> HighWaterMarks:
    """What a process knows that was connected to this server."""
    marks = HighWaterMarks()
    await (await opened(dsn, marks)).close()
    return marks


async def test_who_has_seen_the_new_primary_refuses_the_old_one_and_says_so(
    split: Pair,
) -> None:
    marks = await marks_of(split.primary.admin_dsn)

    with capture_logs() as lines, pytest.raises(StartRefusedError):
        await opened(split.standby.admin_dsn, marks)

    (line,) = [line for line in lines if "former primary" in line["event"]]
    assert line["port"] == split.standby.settings.port
    assert line["timeline"] < line["newest"]
    assert "pg_rewind" in line["event"]


async def test_among_several_hosts_the_newest_primary_is_used_in_whatever_order(
    split: Pair,
) -> None:
    """Also by a process that has seen nothing before."""
    database = await opened(split.dsn)

    assert {await port_of(database) for _ in range(3)} == {split.primary.settings.port}
    await database.close()


async def test_a_connection_to_the_old_primary_is_used_no_more_once_another_worker_knows(
    split: Pair,
) -> None:
    marks = HighWaterMarks()
    database = await opened(split.standby.admin_dsn, marks)
    assert await port_of(database) == split.standby.settings.port

    marks.note((await marks_of(split.primary.admin_dsn)).all())

    with pytest.raises(UnavailableError):
        await database.fetch(WHERE)
    await database.close()


async def test_timelines_are_told_to_a_role_without_any_right(nodes: Pair) -> None:
    connection = await asyncpg.connect(nodes.primary.admin_dsn.reveal())
    await connection.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
    await connection.close()
    password = nodes.primary.settings.password.reveal()
    mine = nodes.primary.admin_dsn.reveal().replace(f"postgres:{password}", "plain:plain")

    assert (await marks_of(Sensitive(mine))).all() != {}


async def test_a_server_that_tells_no_timeline_is_used_as_it_is_and_the_log_says_so(
    nodes: Pair,
) -> None:
    """As another engine is, and one on which the role may not ask."""
    connection = await asyncpg.connect(nodes.primary.admin_dsn.reveal())
    await connection.execute("CREATE ROLE curbed LOGIN PASSWORD 'curbed'")
    for function in WITHHELD:
        await connection.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
    password = nodes.primary.settings.password.reveal()
    mine = nodes.primary.admin_dsn.reveal().replace(f"postgres:{password}", "curbed:curbed")

    with capture_logs() as lines:
        database = await opened(Sensitive(mine))

    told = [line["event"] for line in lines]
    assert any("does not tell its timeline" in event for event in told)
    assert any("without waiting for a standby" in event for event in told)
    assert await database.transact(lambda one: one.fetchval("SELECT 1")) == 1
    await database.replicated()
    await database.close()
    for function in WITHHELD:
        await connection.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")
    await connection.close()


async def test_a_host_that_answers_nothing_does_not_hide_the_primary(nodes: Pair) -> None:
    """As after the loss of a machine, whose address is silent."""
    one = nodes.primary.settings.port
    with socket.create_server(("127.0.0.1", 0)) as silent:
        both = f":{silent.getsockname()[1]},127.0.0.1:{one}/"
        dsn = nodes.primary.admin_dsn.reveal().replace(f":{one}/", both)
        database = await opened(Sensitive(dsn))

        assert await port_of(database) == one
        await database.close()
