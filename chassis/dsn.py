"""What a Postgres DSN says. Pure.

- A connection is described by its DSN alone: no `PG*` variable, no password, service or
  certificate file of a home directory counts.
- What the driver would guess or look up when it is absent is therefore required or has a fixed
  default. The parameters are those of libpq (PostgreSQL documentation, "Connection Strings").
- A problem names the rule and never quotes the DSN: it holds a password.

    postgresql://USER:PASSWORD@HOST[:PORT][,HOST[:PORT]…]/DATABASE[?sslmode=verify-full&…]
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from chassis.config_values import ValueProblemError
from chassis.sensitive import Sensitive

DEFAULT_PORT = 5432
SYSTEM_AUTHORITIES = "system"
KERBEROS_SERVICE = "postgres"

_PORT = re.compile(r"[0-9]{1,5}")
_HIGHEST_PORT = 65_535
_BRACKETED = re.compile(r"\[([^\[\]]+)\](?::([0-9]+))?")
_TLS_VERSIONS = ("TLSv1.2", "TLSv1.3")
# Other sources than the DSN, and options of libpq that the driver does not have.
_REFUSED = frozenset(
    {"service", "servicefile", "passfile", "connect_timeout", "channel_binding", "gssencmode"}
    | {"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"}
    | {"tcp_user_timeout", "load_balance_hosts", "require_auth", "hostaddr"}
)
# Every connection is to a server that accepts writes, whatever the DSN says.
_WITHOUT_EFFECT = frozenset({"target_session_attrs", "gsslib"})


class TlsMode(StrEnum):
    """libpq's `sslmode`."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"

    @property
    def verifies(self) -> bool:
        """Whether the server's certificate must be signed by a known authority."""
        return self in (TlsMode.VERIFY_CA, TlsMode.VERIFY_FULL)


@dataclass(frozen=True, slots=True)
class DatabaseTls:
    """How a connection is encrypted. Paths are text as written; empty where none is named."""

    mode: TlsMode = TlsMode.PREFER
    authorities: str = ""
    revocations: str = ""
    certificate: str = ""
    private_key: str = ""
    key_password: Sensitive[str] = field(default_factory=lambda: Sensitive(""))
    minimum_version: str = "TLSv1.2"
    maximum_version: str = ""
    direct: bool = False


@dataclass(frozen=True, slots=True)
class Dsn:
    """Where a database is, and as whom and how it is reached."""

    servers: tuple[tuple[str, int], ...]
    user: str
    password: Sensitive[str]
    database: str
    tls: DatabaseTls
    kerberos_service: str
    settings: Mapping[str, str]  # of the server, for the session

    @property
    def address(self) -> str:
        """Every server as `host:port`, for people."""
        return ", ".join(f"{host}:{port}" for host, port in self.servers)


def check_dsn(text: str) -> None:
    """Returns if it is a DSN. Raises ValueProblemError."""
    read_dsn(text)


def read_dsn(text: str) -> Dsn:
    """What the DSN says. Raises ValueProblemError, which never quotes it."""
    parts = _split(text)
    options = _options(parts.query)
    account, _, servers = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    user = unquote(user) or options.pop("user", "")
    password = unquote(password) or options.pop("password", "")
    named = unquote(parts.path.removeprefix("/")) or options.pop("database", "")
    database = named or options.pop("dbname", "")
    for what, value in (("user", user), ("database", database)):
        if not value:
            raise ValueProblemError(
                f"names no {what}: postgresql://USER:PASSWORD@HOST/DATABASE"
            )
    for name in ("user", "password", "dbname", "database", *_WITHOUT_EFFECT):
        options.pop(name, None)
    return Dsn(
        servers=_servers(servers, options.pop("host", ""), options.pop("port", "")),
        user=user,
        password=Sensitive(password),
        database=database,
        tls=_tls(options),
        kerberos_service=options.pop("krbsrvname", KERBEROS_SERVICE),
        settings=options,
    )


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        raise ValueProblemError("is not a URL: an IPv6 host stands in brackets") from None
    if "\0" in unquote(text):
        raise ValueProblemError("has a NUL (%00), which Postgres takes nowhere")
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueProblemError("must begin with postgresql://")
    if parts.fragment:
        raise ValueProblemError("has a #: write %23 for one that is part of a name or password")
    return parts


def _options(query: str) -> dict[str, str]:
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    except ValueError:
        raise ValueProblemError("has a parameter that is not NAME=VALUE after its ?") from None
    refused = sorted(_REFUSED & options.keys())
    if refused:
        raise ValueProblemError(f"has the parameter {refused[0]}, which is not supported")
    return {name: value for name, value in options.items() if value}


def _servers(
    in_address: str, in_options: str, ports_option: str
) -> tuple[tuple[str, int], ...]:
    named = [_server(unquote(item)) for item in (in_address or in_options).split(",")]
    ports = ports_option.split(",") if ports_option else []
    if len(ports) not in (0, 1, len(named)):
        raise ValueProblemError("has another number of ports than of hosts")
    if len(ports) == 1:
        ports *= len(named)
    defaults = [_port(port) for port in ports] or [DEFAULT_PORT] * len(named)
    return tuple(
        (host, port or default) for (host, port), default in zip(named, defaults, strict=True)
    )


def _server(text: str) -> tuple[str, int | None]:
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        host, port = bracketed[1], bracketed[2] or ""
    elif text.startswith("/"):
        host, port = text, ""  # the directory of a socket
    else:
        host, _, port = text.partition(":")
        _check_name(host)
    if not host:
        raise ValueProblemError("names no host")
    return host, _port(port) if port else None


def _check_name(host: str) -> None:
    """Of a name that cannot be encoded the resolver raises an error of its own."""
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueProblemError("has a host name that is none") from None


def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or not 0 < int(text) <= _HIGHEST_PORT:
        raise ValueProblemError(
            "has a port that is not a number from 1 to 65535: in a password, write %3A for :, "
            "%2F for / and %40 for @"
        )
    return int(text)


def _tls(options: dict[str, str]) -> DatabaseTls:
    modes = [str(mode) for mode in TlsMode]
    mode = TlsMode(_one_of(options, "sslmode", modes, TlsMode.PREFER))
    negotiation = _one_of(options, "sslnegotiation", ["postgres", "direct"], "postgres")
    tls = DatabaseTls(
        mode=mode,
        authorities=options.pop("sslrootcert", ""),
        revocations=options.pop("sslcrl", ""),
        certificate=options.pop("sslcert", ""),
        private_key=options.pop("sslkey", ""),
        key_password=Sensitive(options.pop("sslpassword", "")),
        minimum_version=_one_of(options, "ssl_min_protocol_version", _TLS_VERSIONS, "TLSv1.2"),
        maximum_version=_one_of(options, "ssl_max_protocol_version", _TLS_VERSIONS, ""),
        direct=negotiation == "direct",
    )
    if mode.verifies and not tls.authorities:
        raise ValueProblemError(
            f"has sslmode={mode}, which needs sslrootcert=FILE, or sslrootcert=system"
        )
    if tls.direct and mode in (TlsMode.DISABLE, TlsMode.ALLOW, TlsMode.PREFER):
        raise ValueProblemError(
            "has sslnegotiation=direct, which needs sslmode=require or more"
        )
    return tls


def _one_of(
    options: dict[str, str], name: str, allowed: list[str] | tuple[str, ...], default: str
) -> str:
    value = options.pop(name, default)
    if value not in (*allowed, default):
        raise ValueProblemError(f"has a {name} that is none of {', '.join(allowed)}")
    return value
