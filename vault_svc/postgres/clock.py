"""The time by two clocks, the machine's and the database server's."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.postgres import Database
from vault_svc.ports.clocks import Moment


@dataclass(frozen=True, slots=True)
class TwoClocks:
    """See ports.Clocks."""

    clock: Clock
    database: Database

    async def now(self) -> Moment:
        """See ports.Clocks.now."""
        row = await self.database.fetchrow("SELECT clock_timestamp() AS now")
        if row is None:
            raise LookupError("a SELECT without a table answers one row")
        return Moment(*sorted((self.clock.now(), row["now"])))
