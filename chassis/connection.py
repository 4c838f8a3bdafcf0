"""The type of an open connection to Postgres."""

from typing import TYPE_CHECKING, TypeAlias

import asyncpg  # noqa: TID251  # the driver's type, which nothing else names

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection
