"""The gateway's configuration, read once from `SPLITKEEP_GATEWAY_…` by __main__."""

from dataclasses import dataclass, field
from pathlib import Path

from chassis.addresses import check_target
from chassis.file_rules import SECRET, TRUST
from chassis.log_level import LogLevel

PREFIX = "SPLITKEEP_GATEWAY_"
_PORT = {"min": 0, "max": 65_535}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every field is described where it is declared; docs/configuration.md lists them."""

    host: str = field(default="127.0.0.1", metadata={"help": "address to listen on"})
    port: int = field(
        default=8080, metadata={"help": "HTTPS port; 0 picks a free one", **_PORT}
    )
    operations_port: int = field(
        default=9480, metadata={"help": "port of metrics and health, plain HTTP", **_PORT}
    )
    tls_certificate: Path = field(
        metadata={**TRUST, "help": "PEM certificate chain of the HTTPS port"}
    )
    tls_private_key: Path = field(
        metadata={**SECRET, "help": "PEM private key of the HTTPS port"}
    )
    namespace: str = field(
        default="default",
        metadata={"help": "namespace that /bootdata names to clients that ask for theirs"},
    )
    metadata_target: str = field(
        metadata={"help": "host:port of metadata_svc's client port", "check": check_target}
    )
    vault_target: str = field(
        metadata={"help": "host:port of vault_svc's client port", "check": check_target}
    )
    ca: Path = field(
        metadata={**TRUST, "help": "PEM authority that signs both services' certificates"}
    )
    metadata_server_name: str | None = field(
        default=None, metadata={"help": "name in metadata_svc's certificate, if not the host"}
    )
    vault_server_name: str | None = field(
        default=None, metadata={"help": "name in vault_svc's certificate, if not the host"}
    )
    call_seconds: float = field(
        default=10.0, metadata={"help": "how long one call to a service may take", "min": 0.1}
    )
    concurrent_requests: int = field(
        default=256, metadata={"help": "requests served at a time; one more gets 429", "min": 1}
    )
    refused_credentials_per_second: float = field(
        default=10.0,
        metadata={
            "help": "requests with a credential that is refused that one source address may "
            "make in a second; one more gets 429; 0 is no bound, for a proxy in front",
            "min": 0,
        },
    )
    concurrent_watches: int = field(
        default=256, metadata={"help": "watches served at a time; one more gets 429", "min": 1}
    )
    watch_seconds: float = field(
        default=1_800.0,
        metadata={
            "help": "how long a watch lasts at least, and half of how long it may last",
            "min": 1,
        },
    )
    concurrent_connections: int = field(
        default=1_000, metadata={"help": "connections open at a time", "min": 1}
    )
    drain_seconds: float = field(
        default=10.0, metadata={"help": "how long requests may take to end at a stop", "min": 0}
    )
    log_level: LogLevel = field(default=LogLevel.INFO, metadata={"help": "lowest level logged"})
    ready_file: Path | None = field(
        default=None, metadata={"help": "where the bound ports are written once ready"}
    )
