"""Which Postgres faults mean what: the table Postgres to error.

Source: PostgreSQL documentation, Appendix A, "PostgreSQL Error Codes".
"""

import asyncpg  # noqa: TID251  # the driver's exceptions are this table's left column

TRANSIENT_ERRORS = (
    asyncpg.SerializationError,  # 40001
    asyncpg.DeadlockDetectedError,  # 40P01
    asyncpg.InvalidCachedStatementError,  # a migration changed a table under a statement
)
"""The server undid the transaction; the same work may succeed at once."""

# Class 25 as a whole is the program's fault; these two are the server's.
_LOST_PRIMARY_ERRORS = (
    asyncpg.ReadOnlySQLTransactionError,  # 25006: a standby since a failover
    asyncpg.IdleInTransactionSessionTimeoutError,  # 25P03
)

CONNECTION_ERRORS = (
    ConnectionError,  # refused or reset
    TimeoutError,  # no answer, not even that of the statement timeout
    asyncpg.PostgresConnectionError,  # class 08, and a connection lost in mid-statement
    asyncpg.AdminShutdownError,  # 57P01
    asyncpg.CrashShutdownError,  # 57P02
    asyncpg.CannotConnectNowError,  # 57P03
    asyncpg.TargetServerAttributeNotMatched,  # no host is a primary
    asyncpg.InternalClientError,  # used between the server's farewell and the socket's end
    *_LOST_PRIMARY_ERRORS,
)
"""The connection is of no further use, nor are the others to the same server, probably."""

SERVER_ERRORS = (
    asyncpg.QueryCanceledError,  # 57014: the statement timeout
    asyncpg.LockNotAvailableError,  # 55P03
    asyncpg.InsufficientResourcesError,  # class 53: too many connections, disk full
    asyncpg.PostgresSystemError,  # class 58: an error of the machine
    asyncpg.InvalidAuthorizationSpecificationError,  # class 28: the role or its password
    asyncpg.InvalidCatalogNameError,  # 3D000: no such database
)
"""The server cannot do it now; the connection may live on."""

SHARED_SESSION_ERRORS = (
    asyncpg.DuplicatePreparedStatementError,  # 42P05
    asyncpg.InvalidSQLStatementNameError,  # 26000
    asyncpg.NoActiveSQLTransactionError,  # 25P01
)
"""A prepared statement or transaction is another client's: a pooler shares the session."""


CONNECT_ERRORS = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""Whatever making or leaving a connection may raise."""


def is_connection_fault(error: BaseException, *, closed: bool) -> bool:
    """Whether the connection is lost; `closed` tells what the driver knows of it."""
    return isinstance(error, CONNECTION_ERRORS) or (
        closed and isinstance(error, CONNECT_ERRORS)
    )


def is_server_fault(error: BaseException) -> bool:
    """Whether the server, and not the statement, is at fault."""
    return isinstance(error, SERVER_ERRORS)
