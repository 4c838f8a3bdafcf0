"""The stack that is measured: where it is, and tokens for it.

Everything that a benchmark makes lies in a namespace of its own, `load`, so that in a stack
somebody works with it can be told from the rest.
"""

import json
import tempfile
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from chassis.clock import SystemClock
from chassis.sensitive import Sensitive
from splitkeep.issuer import ANY_NAME_PERMISSION, TokenRequest, parse_issuer
from splitkeep.local.state import State, no_stack, open_state, read_description
from tests.e2e.stack import Stack

NAMESPACE = "load"
DECRYPTER = "load-tester"
TOKEN_TTL = timedelta(hours=12)

# Stacks of the end-to-end tests sweep every second; a measured one as often as in production.
USUAL_SWEEP = {
    "SPLITKEEP_VAULT_RECOVERY_WINDOW_SECONDS": "604800",
    "SPLITKEEP_VAULT_SWEEP_INTERVAL_SECONDS": "30",
    "SPLITKEEP_VAULT_UNCLAIMED_AGE_SECONDS": "300",
    "SPLITKEEP_VAULT_FULL_SWEEP_INTERVAL_SECONDS": "86400",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackUnderTest:
    """What dev.json says, and two tokens for the namespace `load`."""

    state: State
    gateway: str
    metadata: str
    vault: str
    operations: tuple[str, ...]  # of the services that a decrypt passes through
    metadata_dsn: Sensitive[str]
    vault_dsn: Sensitive[str]
    pids: dict[str, int]
    writer: Sensitive[str]
    decrypter: Sensitive[str]

    @classmethod
    def at(cls, directory: Path) -> Self:
        """The stack that runs on this state directory. Raises OSError if none does."""
        state = State(directory.resolve())
        info: dict[str, Any] = json.loads(state.description.read_text())
        return cls(
            state=state,
            gateway=info["gateway"],
            metadata=info["metadata"],
            vault=info["vault"],
            operations=tuple(info["operations"][name] for name in ("vault", "metadata")),
            metadata_dsn=Sensitive(info["dsn"]["metadata"]),
            vault_dsn=Sensitive(info["dsn"]["vault"]),
            pids=info["pids"],
            writer=_mint(state, subject="user:load", roles=("Admin",)),
            decrypter=_decrypting(state, DECRYPTER),
        )

    def decrypting_as(self, service_identity: str) -> Sensitive[str]:
        """A token for decrypting in this identity's name; another one each time."""
        return _decrypting(self.state, service_identity)

    @property
    def ca(self) -> Path:
        return self.state.authority.certificate


def running_state(text: str) -> Path:
    """The state directory of a running stack. Raises ArgumentTypeError."""
    directory = Path(text)
    if read_description(directory) is None:
        raise ArgumentTypeError(no_stack(directory))
    return directory


@contextmanager
def stack_under_test(state: Path | None, **environment: str) -> Iterator[StackUnderTest]:
    """The stack running on `state`; without one, a new stack that leaves nothing behind.

    `environment` is for the new stack's processes.
    """
    if state is not None:
        yield StackUnderTest.at(state)
        return
    with tempfile.TemporaryDirectory(prefix="splitkeep-load-") as folder:
        directory = Path(folder) / "state"
        try:
            with Stack(directory, **USUAL_SWEEP, **environment):
                yield StackUnderTest.at(directory)
        finally:
            _erase(directory)


def _erase(directory: Path) -> None:
    """What a stack keeps outside its state directory goes too."""
    state = open_state(directory)
    with state.held():
        state.erase()


def _decrypting(state: State, service_identity: str) -> Sensitive[str]:
    return _mint(
        state,
        subject=f"access-policy:{service_identity}",
        service_identity=service_identity,
        permissions=(ANY_NAME_PERMISSION,),
    )


def _mint(state: State, **wish: Any) -> Sensitive[str]:
    issuer = parse_issuer(state.issuer_key.read_bytes())
    request = TokenRequest(namespace=NAMESPACE, ttl=TOKEN_TTL, **wish)
    return issuer.mint(request, SystemClock().now())
