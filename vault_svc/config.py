"""What the vault is told at start."""

from dataclasses import dataclass, field
from pathlib import Path

from chassis.accept_mode import AcceptMode
from chassis.addresses import check_target
from chassis.config_values import ValueProblemError
from chassis.dsn import check_dsn
from chassis.file_rules import SECRET, TRUST
from chassis.log_level import LogLevel
from chassis.sensitive import Sensitive
from vault_svc.domain.keyring import MAXIMUM_AGE_SECONDS, could_be_kek_id

MIGRATIONS = "vault_svc.postgres.migrations"
PREFIX = "SPLITKEEP_VAULT_"
PORT_SETTINGS = {"clients": f"{PREFIX}PORT", "operations": f"{PREFIX}OPERATIONS_PORT"}

_PORT = {"min": 0, "max": 65535}
_DAY_SECONDS = 24 * 3600


def _check_kek_ids(text: str) -> None:
    """What cannot be an id is not told of, for it may be a key."""
    items = map(str.strip, text.split(","))
    if not all(could_be_kek_id(item) for item in items if item):
        raise ValueProblemError("has an item that is no KEK id: 1 to 63 of a-z, 0-9 and . _ -")


@dataclass(frozen=True, slots=True)
class Config:
    """Every field is a variable under PREFIX; times are in seconds."""

    dsn: Sensitive[str] = field(
        metadata={"help": "DSN of the vault's own database", "check": check_dsn}
    )
    tls_certificate: Path = field(
        metadata={**TRUST, "help": "PEM certificate chain of the client port"}
    )
    tls_private_key: Path = field(
        metadata={**SECRET, "help": "PEM private key of the client port"}
    )
    issuers: Path = field(metadata={**TRUST, "help": "JSON file of the trusted token issuers"})
    metadata_target: str = field(
        metadata={"help": "host:port where metadata answers the vault", "check": check_target}
    )
    metadata_ca: Path = field(
        metadata={**TRUST, "help": "PEM authority that signs peer certificates"}
    )
    peer_certificate: Path = field(
        metadata={**TRUST, "help": "PEM certificate chain that the vault shows to metadata"}
    )
    peer_private_key: Path = field(
        metadata={**SECRET, "help": "PEM private key to peer_certificate"}
    )
    kek_file: Path = field(metadata={**SECRET, "help": "JSON file of the KEKs, mode 0600"})
    keks_lost: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "ids of KEKs that are lost, with commas; a start does without them",
            "check": _check_kek_ids,
        },
    )
    metadata_server_name: str = field(
        default="splitkeep-metadata",
        metadata={"help": "name that metadata's certificate must bear"},
    )
    dsn_connections: int = field(
        default=10,
        metadata={"help": "database connections that each worker holds", "min": 1, "max": 1000},
    )
    statement_timeout_seconds: float = field(
        default=5, metadata={"help": "how long one statement may take", "min": 0.1}
    )
    host: str = field(
        default="127.0.0.1", metadata={"help": "address that the ports are opened on"}
    )
    port: int = field(
        default=9402, metadata={"help": "gRPC port for clients; 0 picks one", **_PORT}
    )
    operations_port: int = field(
        default=9482, metadata={"help": "HTTP port for metrics and health", **_PORT}
    )
    recovery_window_seconds: float = field(
        default=7 * _DAY_SECONDS,
        metadata={
            "help": "how long a value is kept after metadata first says that it is not needed; "
            "longer than the time between the two databases' backups",
            "min": 0,
            "max": 3650 * _DAY_SECONDS,
        },
    )
    release_grace_seconds: float = field(
        default=0,
        metadata={
            "help": "deprecated, use recovery_window_seconds; the longer of the two counts",
            "min": 0,
            "max": 3650 * _DAY_SECONDS,
        },
    )
    sweep_interval_seconds: float = field(
        default=30, metadata={"help": "pause between two sweeps", "min": 0.05}
    )
    unclaimed_age_seconds: float = field(
        default=300,
        metadata={"help": "age at which metadata is asked about an unclaimed value", "min": 0},
    )
    full_sweep_interval_seconds: float = field(
        default=_DAY_SECONDS,
        metadata={"help": "pause between two checks of every value", "min": 0.05},
    )
    data_key_age_seconds: float = field(
        default=MAXIMUM_AGE_SECONDS,
        metadata={"help": "age at which a data key is replaced by a new one", "min": 1},
    )
    data_key_cache_seconds: float = field(
        default=300, metadata={"help": "how long an unwrapped data key is kept", "min": 1}
    )
    data_key_cache_limit: int = field(
        default=10_000,
        metadata={"help": "unwrapped data keys that each worker keeps at most", "min": 1},
    )
    accept_mode: AcceptMode = field(
        default=AcceptMode.AUTO,
        metadata={
            "help": "how calls are accepted: fast, standard (by grpcio's public API alone), or "
            "auto, which is fast with the versions of grpcio that it was tested with"
        },
    )
    concurrent_calls: int = field(
        default=256,
        metadata={
            "help": "calls that each worker serves at a time; three quarters of them for "
            "one caller at most",
            "min": 1,
        },
    )
    waiting_calls: int = field(
        default=1_024,
        metadata={"help": "calls that wait for their turn in each worker at most", "min": 0},
    )
    connections: int = field(
        default=1_000,
        metadata={
            "help": "connections to the client port that each worker holds at a time; one more "
            "is closed",
            "min": 1,
            "max": 1_000_000,
        },
    )
    flood_block_seconds: float = field(
        default=10.0,
        metadata={
            "help": "how long an address that floods a gRPC port without a valid credential "
            "can open no connection; 0 blocks none",
            "min": 0,
            "max": 3_600,
        },
    )
    max_connection_age_seconds: float = field(
        default=300,
        metadata={"help": "how long a connection lives before its client moves", "min": 1},
    )
    workers: int = field(
        default=0,
        metadata={
            "help": "processes that serve on the same ports; 0 is one for each usable CPU, "
            "up to 8",
            "min": 0,
            "max": 256,
        },
    )
    drain_seconds: float = field(
        default=10, metadata={"help": "time that calls under way get at the end", "min": 0}
    )
    reflection: bool = field(default=True, metadata={"help": "serve gRPC reflection"})
    log_level: LogLevel = field(default=LogLevel.INFO, metadata={"help": "lowest level logged"})
    ready_file: Path | None = field(
        default=None, metadata={"help": "file to write the bound ports to when ready"}
    )

    @property
    def longest_window_seconds(self) -> float:
        """How long values are kept, whichever of the two settings says so."""
        return max(self.recovery_window_seconds, self.release_grace_seconds)


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """What `migrate` needs of the same variables; it runs without the others."""

    dsn: Sensitive[str] = field(
        metadata={"help": "DSN of the vault's own database", "check": check_dsn}
    )
    log_level: LogLevel = field(default=LogLevel.INFO, metadata={"help": "lowest level logged"})


@dataclass(frozen=True, slots=True)
class VerifyConfig:
    """What `verify` needs of the same variables; it runs without the others."""

    dsn: Sensitive[str] = field(metadata={"help": "DSN of the vault's own database"})
    kek_file: Path = field(metadata={**SECRET, "help": "JSON file of the KEKs, mode 0600"})
    log_level: LogLevel = field(default=LogLevel.INFO, metadata={"help": "lowest level logged"})


DATABASE_VARIABLES = frozenset(PREFIX + name for name in ("DSN", "DSN_FILE", "LOG_LEVEL"))
VERIFY_VARIABLES = DATABASE_VARIABLES | {PREFIX + "KEK_FILE"}


def grpc_ports(config: Config) -> dict[str, int]:
    """The gRPC ports, by the names under which they are announced."""
    return {"clients": config.port}
