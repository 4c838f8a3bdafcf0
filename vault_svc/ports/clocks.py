"""The present moment, as far as clocks can be trusted that may be set wrong."""

from datetime import datetime
from typing import NamedTuple, Protocol


class Moment(NamedTuple):
    """Now, by clocks that may differ; in UTC."""

    earliest: datetime
    latest: datetime


class Clocks(Protocol):
    """Several clocks that are unlikely to be wrong together."""

    async def now(self) -> Moment:
        """What they say. Raises UnavailableError if one cannot be read."""
        ...
