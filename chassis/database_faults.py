"""Why a process cannot start with its database: one sentence for each kind of fault.

- A sentence names the setting and the address, never what else is in the DSN.
- StartHinderedError is for what may pass by itself, StartRefusedError for what somebody has to
  change.
"""

import socket
import ssl

import asyncpg  # noqa: TID251  # the driver's exceptions are this table's left column

from chassis.config import StartHinderedError, StartRefusedError
from chassis.database_tls import DatabaseFileError
from chassis.dsn import read_dsn
from chassis.sensitive import Sensitive
from chassis.timelines import StaleTimelineError

_TLS_REFUSED = "rejected SSL upgrade"  # the driver has no class of its own for this

# What may pass by itself.
_PASSING: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its host name cannot be resolved: correct it, or mend the name service"),
    (TimeoutError, "no answer came in time: check the address, firewalls and the server"),
    (ConnectionRefusedError, "nothing listens there: start the database, or correct {setting}"),
    (FileNotFoundError, "there is no such socket or file: correct {setting}"),
    (asyncpg.CannotConnectNowError, "it is starting up or shutting down: wait and start again"),
    (
        asyncpg.TooManyConnectionsError,
        "it has no connection left: raise max_connections, or lower DSN_CONNECTIONS or WORKERS",
    ),
    (
        asyncpg.TargetServerAttributeNotMatched,
        "no server of the DSN accepts writes (a standby, or read-only): name the primary",
    ),
    (
        StaleTimelineError,
        "it is a former primary: stop it, and name the present one in {setting}",
    ),
    (
        asyncpg.ReadOnlySQLTransactionError,
        "it accepts no writes (a standby, or read-only): name the primary",
    ),
)
# What somebody has to change.
_LASTING: tuple[tuple[type[BaseException], str], ...] = (
    (
        ssl.SSLCertVerificationError,
        "its certificate is not trusted: check sslrootcert and the host name in {setting}",
    ),
    (
        ssl.SSLError,
        "TLS fails: check sslmode, sslrootcert, sslcert and sslkey in {setting}",
    ),
    (
        asyncpg.InvalidPasswordError,
        "it refuses the user or the password: correct {setting}",
    ),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "it refuses this user, host or sslmode: check pg_hba.conf and {setting}",
    ),
    (
        asyncpg.InvalidCatalogNameError,
        "it has no database of that name: create it, or correct {setting}",
    ),
    (
        asyncpg.InsufficientPrivilegeError,
        "the role lacks a right that is needed: grant it, or let the role own the tables",
    ),
    (
        asyncpg.InvalidSchemaNameError,
        "the role has no schema to make tables in: create one and set the role's search_path",
    ),
    (
        asyncpg.ProtocolViolationError,
        "a pooler refuses the connection: check its entries for this user and database",
    ),
    (
        asyncpg.UndefinedObjectError,
        "it does not know a parameter of the DSN: take it out of {setting}",
    ),
    (
        asyncpg.InvalidParameterValueError,
        "it refuses the value of a parameter of the DSN: correct {setting}",
    ),
)


def start_problem(error: BaseException, dsn: Sensitive[str], setting: str) -> StartRefusedError:
    """What to tell about a fault of making a connection, or of the first statements on it."""
    if isinstance(error, DatabaseFileError):
        return StartRefusedError((f"{setting} names {error.path}, which {error.rule}",))
    where = f"the database at {read_dsn(dsn.reveal()).address} cannot be used"
    if isinstance(error, ConnectionError) and _TLS_REFUSED in str(error):
        rule = (
            "it speaks no TLS and sslmode asks for it: turn ssl on there, or change {setting}"
        )
        return StartRefusedError((f"{where}: {rule.format(setting=setting)}",))
    for made, table in ((StartHinderedError, _PASSING), (StartRefusedError, _LASTING)):
        for kind, rule in table:
            if isinstance(error, kind):
                return made((f"{where}: {rule.format(setting=setting)}",))
    return StartHinderedError((f"{where} ({_named(error)}): check it and {setting}",))


def _named(error: BaseException) -> str:
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
        return f"SQLSTATE {error.sqlstate}"
    return type(error).__name__
