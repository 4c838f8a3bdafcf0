"""Which primary is the newest: the one on the highest timeline of its cluster.

Every promotion begins a timeline with a higher number. A former primary that was not fenced
serves again as a primary, on an older one, without the writes since. It is refused.

An engine that does not tell its timeline, or not to this role, is used as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import asyncpg  # noqa: TID251  # the driver's exceptions
import structlog

from chassis.connection import Connection
from chassis.errors import UnavailableError
from chassis.high_water import HighWaterMarks
from chassis.sqlstates import SHARED_SESSION_ERRORS

_log = structlog.get_logger(__name__)

# The first eight digits of a log file's name are the timeline in hexadecimal.
_ASK = """
SELECT
    (SELECT system_identifier FROM pg_control_system()) AS cluster,
    pg_walfile_name(pg_current_wal_lsn()) AS log_file
"""


class StaleTimelineError(UnavailableError):
    """The server is a former primary."""

    default_message = "the database server was failed over from"


@dataclass(slots=True)
class Timelines:
    """The highest timeline of each cluster that anybody has seen who shares the marks."""

    marks: HighWaterMarks = field(default_factory=HighWaterMarks)
    # Where the newest primary was found last.
    server: tuple[str, int] | None = None
    _of: WeakKeyDictionary[Connection, tuple[str, int]] = field(
        default_factory=WeakKeyDictionary, init=False
    )
    _have_risen: bool = field(default=False, init=False)
    _told: set[object] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.marks.listen(self._rise)

    async def check(self, connection: "Connection", server: tuple[str, int]) -> None:
        """The connection leads to the newest primary known.

        Raises StaleTimelineError, and what the driver raises when the connection is lost.
        """
        try:
            row = await connection.fetchrow(_ASK)
        except SHARED_SESSION_ERRORS:
            raise  # behind a pooler nothing that a session says is its own
        except asyncpg.PostgresError as error:
            self._tell_once(
                "the database does not tell its timeline: a former primary would be used",
                sqlstate=error.sqlstate,
            )
            return
        if row is None:
            raise LookupError("a SELECT without FROM has a row")
        cluster, timeline = str(row["cluster"]), int(row["log_file"][:8], 16)
        newest = self.marks.highest(cluster)
        if timeline < newest:
            self._tell_once(
                "a former primary is refused: it serves an older timeline. Stop it, and let it "
                "follow the present primary (pg_rewind, or a new base backup)",
                host=server[0],
                port=server[1],
                timeline=timeline,
                newest=newest,
            )
            raise StaleTimelineError
        self._of[connection] = cluster, timeline
        self.server = server
        self.marks.note({cluster: timeline})

    def is_stale(self, connection: "Connection") -> bool:
        """Whether a higher timeline was seen since the connection was made."""
        if not self._have_risen or connection not in self._of:
            return False
        cluster, timeline = self._of[connection]
        return timeline < self.marks.highest(cluster)

    def _rise(self, _risen: Mapping[str, int]) -> None:
        self._have_risen = True

    def _tell_once(self, event: str, **about: object) -> None:
        told = tuple(about.values())
        if told not in self._told:
            self._told.add(told)
            _log.error(event, **about)
