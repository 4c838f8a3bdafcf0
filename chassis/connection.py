"""The type of a connection to Postgres, for whoever is given one."""

from typing import TYPE_CHECKING, TypeAlias

import asyncpg  # noqa: TID251  # the driver's type, which nothing else names

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection
