"""The configuration of metadata_svc, read once from `SPLITKEEP_METADATA_…` by __main__."""

from dataclasses import dataclass, field
from pathlib import Path

from chassis.accept_mode import AcceptMode
from chassis.dsn import check_dsn
from chassis.file_rules import SECRET, TRUST
from chassis.log_level import LogLevel
from chassis.sensitive import Sensitive

MIGRATIONS = "metadata_svc.postgres.migrations"
PREFIX = "SPLITKEEP_METADATA_"
PORT_SETTINGS = {
    "clients": f"{PREFIX}PORT",
    "peer": f"{PREFIX}PEER_PORT",
    "operations": f"{PREFIX}OPERATIONS_PORT",
}
_PORT = {"min": 0, "max": 65_535}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every field is described where it is declared; docs/configuration.md lists them."""

    dsn: Sensitive[str] = field(
        metadata={"help": "the metadata database; never the vault's", "check": check_dsn}
    )
    dsn_connections: int = field(
        default=10,
        metadata={
            "help": "connections that each worker holds to the database",
            "min": 1,
            "max": 1_000,
        },
    )
    statement_timeout_seconds: float = field(
        default=5.0, metadata={"help": "how long one statement may take", "min": 0.1}
    )
    host: str = field(default="127.0.0.1", metadata={"help": "address to listen on"})
    port: int = field(
        default=9401, metadata={"help": "gRPC port for any caller; 0 picks a free one", **_PORT}
    )
    peer_port: int = field(
        default=9411, metadata={"help": "gRPC port for the vault; 0 picks a free one", **_PORT}
    )
    operations_port: int = field(
        default=9481, metadata={"help": "port of metrics and health, plain HTTP", **_PORT}
    )
    tls_certificate: Path = field(
        metadata={**TRUST, "help": "PEM certificate chain of the client port"}
    )
    tls_private_key: Path = field(
        metadata={**SECRET, "help": "PEM private key of the client port"}
    )
    peer_tls_certificate: Path = field(
        metadata={**TRUST, "help": "PEM certificate chain of the peer port"}
    )
    peer_tls_private_key: Path = field(
        metadata={**SECRET, "help": "PEM private key of the peer port"}
    )
    peer_ca: Path = field(
        metadata={**TRUST, "help": "PEM authority that signs the vault's certificate"}
    )
    vault_sans: tuple[str, ...] = field(
        default=("splitkeep-vault",),
        metadata={"help": "names in a certificate that make its owner the vault"},
    )
    issuers: Path = field(metadata={**TRUST, "help": "JSON file of the trusted token issuers"})
    reflection: bool = field(
        default=True, metadata={"help": "whether the client port describes its services"}
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
            "help": "calls that each worker serves at a time on each port; three quarters of "
            "them for one caller at most",
            "min": 1,
        },
    )
    waiting_calls: int = field(
        default=1_024,
        metadata={
            "help": "calls that wait for their turn in each worker, on each port, at most",
            "min": 0,
        },
    )
    concurrent_watches: int = field(
        default=500, metadata={"help": "watches that each worker serves at a time", "min": 1}
    )
    watches_per_subject: int = field(
        default=50,
        metadata={
            "help": "watches of one subject at a time, in each worker; one more gets "
            "RESOURCE_EXHAUSTED, over REST 429",
            "min": 1,
        },
    )
    watch_poll_seconds: float = field(
        default=0.25,
        metadata={
            "help": "how often writes through other replicas are looked for while "
            "somebody watches",
            "min": 0.01,
        },
    )
    watch_bookmark_seconds: float = field(
        default=10.0,
        metadata={
            "help": "how long a watch is silent before it says how far it has come",
            "min": 0.1,
        },
    )
    connections: int = field(
        default=1_000,
        metadata={
            "help": "connections to each gRPC port that each worker holds at a time; one more "
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
        default=300.0,
        metadata={"help": "how long a connection lives before its client moves", "min": 1},
    )
    changes_retention_seconds: float = field(
        default=3_600.0,
        metadata={"help": "how long the history for watches is kept", "min": 60},
    )
    outcome_retention_seconds: float = field(
        default=86_400.0,
        metadata={
            "help": "how long a write that is asked for again gets its first answer",
            "min": 3_600,
        },
    )
    idempotency_retention_seconds: float = field(
        default=86_400.0,
        metadata={
            "help": "how long a create that is sent again under its key gets its first answer",
            "min": 60,
        },
    )
    qualified_labels: bool = field(
        default=False,
        metadata={
            "help": "also allow label keys with a DNS name and `/` before them, and empty "
            "label values, as Kubernetes does; set it once every replica is of a release "
            "that has it"
        },
    )
    trim_interval_seconds: float = field(
        default=60.0, metadata={"help": "how often what is older is forgotten", "min": 1}
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
        default=10.0, metadata={"help": "how long calls may take to end at a stop", "min": 0}
    )
    log_level: LogLevel = field(default=LogLevel.INFO, metadata={"help": "lowest level logged"})
    ready_file: Path | None = field(
        default=None, metadata={"help": "where the bound ports are written once ready"}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseConfig:
    """What commands on the database need of the same variables; they run without the others."""

    dsn: Sensitive[str] = field(
        metadata={"help": "the metadata database; never the vault's", "check": check_dsn}
    )
    log_level: LogLevel = field(default=LogLevel.INFO, metadata={"help": "lowest level logged"})


DATABASE_VARIABLES = frozenset(PREFIX + name for name in ("DSN", "DSN_FILE", "LOG_LEVEL"))


def grpc_ports(config: Config) -> dict[str, int]:
    """The gRPC ports, by the names under which they are announced."""
    return {"clients": config.port, "peer": config.peer_port}
