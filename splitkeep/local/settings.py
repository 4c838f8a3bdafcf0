"""What a person may choose about a local stack: its directory, its ports, its workers."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from splitkeep.environment import ROOT, is_clone
from splitkeep.local.ports import Ports, obstacle

NAMESPACE = "default"
NO_HOME = "/var/lib/splitkeep"  # of a user without one; not writable unless somebody wants it
STATE_VARIABLE = "SPLITKEEP_STATE_DIR"
GRPC_VARIABLE = "SPLITKEEP_GRPC_VERBOSITY"  # of every program (chassis/grpc_core_output.py)
HIGHEST_PORT = 65_535
MOST_WORKERS = 256
SERVICES_WITH_WORKERS = ("metadata", "vault")
NUMBER = re.compile(r"[0-9]{1,10}")


class SettingsError(Exception):
    """A choice that cannot be; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOption:
    """One port: its name here, its default (0 = a free one) and what listens there."""

    name: str
    default: int
    variable: str
    listener: str

    @property
    def flag(self) -> str:
        """As one writes it on the command line."""
        return f"--{self.name.replace('_', '-')}-port"


def _option(name: str, default: int, listener: str) -> PortOption:
    # The variables are those of the services themselves.
    variable = f"SPLITKEEP_{name.upper()}_PORT"
    return PortOption(name=name, default=default, variable=variable, listener=listener)


PORT_OPTIONS = (
    _option("gateway", 8080, "REST API over HTTPS"),
    _option("gateway_operations", 9480, "the gateway's metrics and health over HTTP"),
    _option("metadata", 9401, "metadata service, for clients"),
    _option("metadata_peer", 9411, "metadata service, for the vault"),
    _option("metadata_operations", 9481, "its metrics and health over HTTP"),
    _option("vault", 9402, "vault service"),
    _option("vault_operations", 9482, "its metrics and health over HTTP"),
    _option("postgres_metadata", 0, "Postgres of the metadata service"),
    _option("postgres_vault", 0, "Postgres of the vault service"),
)


OFFSET_VARIABLE = "SPLITKEEP_PORT_OFFSET"
HOW_TO_CHOOSE = (
    "choose others with the flags or their variables (0 takes a free one), or move all with "
    f"--port-offset or {OFFSET_VARIABLE}"
)


def add_state_argument(parser: ArgumentParser, environ: Mapping[str, str]) -> None:
    """The parser knows `--state`."""
    parser.add_argument(
        "--state",
        type=parse_directory,
        # As text: argparse reads a default as it reads what is typed.
        default=str(default_state(environ)),
        metavar="DIR",
        help=f"the stack's state directory (environment: {STATE_VARIABLE}; now: %(default)s)",
    )


def parse_directory(text: str) -> Path:
    """A directory, or a place where none is yet. Raises ArgumentTypeError."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise ArgumentTypeError(f"{text} is a file: name a directory")
    return path


def default_state(environ: Mapping[str, str], root: Path = ROOT) -> Path:
    """The chosen directory, or .splitkeep in the clone, or splitkeep in the user's state.

    The working directory never decides (docs/adr/0032).
    """
    chosen = environ.get(STATE_VARIABLE)
    if chosen:
        return Path(chosen)
    if is_clone(root):
        return root / ".splitkeep"
    # XDG Base Directory Specification: a relative path counts as none.
    base = Path(environ.get("XDG_STATE_HOME", ""))
    home = Path(environ.get("HOME") or NO_HOME)
    return (base if base.is_absolute() else home / ".local" / "state") / "splitkeep"


def add_port_arguments(parser: ArgumentParser) -> None:
    """The parser knows every port's flag."""
    parser.add_argument(
        "--port-offset",
        type=_port,
        metavar="N",
        help="added to every default port, so that a second stack runs beside the first "
        f"(environment: {OFFSET_VARIABLE})",
    )
    for option in PORT_OPTIONS:
        default = option.default or "a free one"
        parser.add_argument(
            option.flag,
            type=_port,
            metavar="PORT",
            help=f"{option.listener} (default {default}; environment: {option.variable})",
        )


def workers_variable(service: str) -> str:
    """The service's own setting."""
    return f"SPLITKEEP_{service.upper()}_WORKERS"


def add_workers_argument(parser: ArgumentParser) -> None:
    """The parser knows `--workers`."""
    variables = " and ".join(map(workers_variable, SERVICES_WITH_WORKERS))
    parser.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help="worker processes of the metadata service and of the vault service; 0 is one for "
        f"each usable CPU (default 1; environment: {variables})",
    )


def with_workers(arguments: Namespace, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment in which both services are told what the flag says, if it is there."""
    if arguments.workers is None:
        return environ
    told = {workers_variable(name): str(arguments.workers) for name in SERVICES_WITH_WORKERS}
    return {**environ, **told}


def read_ports(arguments: Namespace, environ: Mapping[str, str]) -> dict[str, int]:
    """Each port's number: the flag, else the variable, else the default plus the offset.

    Free ones for 0. Raises SettingsError, which names all that are no ports, are taken, are not
    allowed or are given twice.
    """
    offset = _number(OFFSET_VARIABLE, arguments.port_offset, environ, 0)
    wanted = {
        option: _number(
            option.variable,
            getattr(arguments, f"{option.name}_port"),
            environ,
            option.default and option.default + offset,
        )
        for option in PORT_OPTIONS
    }
    _check_ports(wanted)
    ports = Ports()
    # Ports asked for by number go first, so that no free one is chosen among them.
    order = sorted(wanted, key=lambda option: wanted[option] == 0)
    return {option.name: ports.choose(wanted[option]) for option in order}


def _check_ports(wanted: Mapping[PortOption, int]) -> None:
    """Raises SettingsError, with a line for each port that cannot be had."""
    lines = []
    takers: dict[int, PortOption] = {}
    for option, number in wanted.items():
        name = f"port {number} ({option.listener}, {option.flag})"
        if number > HIGHEST_PORT:
            lines.append(f"{name} is beyond {HIGHEST_PORT}: choose a smaller --port-offset")
        elif number and number in takers:
            lines.append(f"{name} is given to {takers[number].flag} too")
        elif number and (problem := obstacle(number)):
            lines.append(f"{name} {problem}")
        takers.setdefault(number, option)
    if lines:
        raise SettingsError("\n  ".join([*lines, HOW_TO_CHOOSE]))


def _number(variable: str, flag: int | None, environ: Mapping[str, str], default: int) -> int:
    if flag is not None:
        return flag
    text = environ.get(variable)
    try:
        return _port(text) if text else default
    except ArgumentTypeError as error:
        raise SettingsError(f"{variable} {error}") from None


def _workers(text: str) -> int:
    """Raises ArgumentTypeError."""
    if not NUMBER.fullmatch(text) or int(text) > MOST_WORKERS:
        raise ArgumentTypeError(f"is not a number of workers: 0 to {MOST_WORKERS}")
    return int(text)


def _port(text: str) -> int:
    """Raises ArgumentTypeError."""
    if not NUMBER.fullmatch(text) or int(text) > HIGHEST_PORT:
        raise ArgumentTypeError(f"is not a port: 0 to {HIGHEST_PORT}")
    return int(text)
