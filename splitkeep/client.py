"""Decrypts secure values for a service whose name is on their lists.

    from pathlib import Path
    from splitkeep.client import DecryptClient, Failure, Secret

    async with DecryptClient.connect(
        "vault.example.com:9402", ca=Path("ca.pem"), token_file=Path("token")
    ) as client:
        outcomes = await client.decrypt(["db-password", "api-key"], namespace="default")
        match outcomes["db-password"]:
            case Secret(value=value):
                use(value.reveal())
            case Failure(reason=reason):
                ...                       # not found, not authorised, decryption failed
        key = await client.read("api-key", namespace="default")    # or raises DecryptError

- A call answers every name, or raises one error of chassis.errors: UnauthenticatedError (the
  token), InvalidArgumentError (the request), UnavailableError and ResourceExhaustedError (still
  so after retries), DeadlineExceededError.
- UNAVAILABLE and RESOURCE_EXHAUSTED are retried, with growing random pauses, within the
  deadline. Decrypting changes nothing, so repeating it is safe.
- A client may be made before there is an event loop, and used on any loop, in any thread. In a
  child of a process that has used one it raises ForkedError, and once closed ClientClosedError.
- Values are `Sensitive`: they do not print. Hold them no longer than needed; nothing is cached,
  so that a removed permission or a new value takes effect on the next call.
- Where there is no event loop, `splitkeep.blocking_client` has the same in blocking calls.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from numbers import Real
from pathlib import Path
from types import TracebackType
from typing import Self

from chassis.errors import (
    DeadlineExceededError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.sensitive import Sensitive
from protos.splitkeep.vault.v1 import decrypter_pb2
from splitkeep.client_calls import ClientClosedError, ForkedError, VaultCalls
from splitkeep.client_tokens import TokenFile, TokenSource, checked_token

__all__ = [
    "DEADLINE_SECONDS",
    "ClientClosedError",
    "DecryptClient",
    "DecryptError",
    "Failure",
    "ForkedError",
    "Outcome",
    "Reason",
    "Secret",
]

NAMES_PER_CALL = 1_000  # the service's limit
DEADLINE_SECONDS = 10.0
# gRPC takes what its clock cannot count for a time that has passed.
LONGEST_DEADLINE_SECONDS = 86_400.0
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0

_RETRIED = (UnavailableError, ResourceExhaustedError)
_chance = secrets.SystemRandom()


class Reason(Enum):
    """Why a name has no value."""

    NOT_FOUND = "not found"
    NOT_AUTHORIZED = "not authorized"
    DECRYPTION_FAILED = "decryption failed"


@dataclass(frozen=True, slots=True)
class Secret:
    """A value, and which version of the secure value it is."""

    name: str
    value: Sensitive[bytes]
    version: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A name without a value."""

    name: str
    reason: Reason


Outcome = Secret | Failure


class DecryptError(Exception):
    """One secure value could not be read."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.name}: {failure.reason.value}")
        self.failure = failure


class DecryptClient:
    """Asks one vault, with any number of calls at a time. See the module."""

    def __init__(
        self,
        calls: VaultCalls,
        token: TokenSource,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._calls, self._token, self._pause = calls, token, pause

    @classmethod
    def connect(
        cls,
        target: str,
        *,
        ca: Path,
        token: TokenSource | None = None,
        token_file: Path | None = None,
        server_name: str | None = None,
        proxy: str | None = None,
    ) -> Self:
        """A client for the vault at `target` (host:port), whose certificate `ca` has signed.

        The token comes from a callable (plain or async) asked before every call, or from a file
        that is read again when it changes. `server_name` is the name the certificate must bear,
        if it is not the target's host. `proxy` (host:port) is an HTTP proxy to go through;
        proxies in the environment are not used. No connection is made until the first call.
        Raises ValueError unless there is exactly one source of tokens, TypeError if `token` is
        not callable, OSError for the `ca`.
        """
        if token is not None and token_file is None:
            source = token
        elif token_file is not None and token is None:
            source = TokenFile(Path(token_file))
        else:
            raise ValueError("give either token or token_file")
        if not callable(source):
            raise TypeError("token is to be a callable that returns the token")
        calls = VaultCalls(target, ca=Path(ca), server_name=server_name, proxy=proxy)
        return cls(calls, source)

    async def __aenter__(self) -> Self:
        self._calls.check_open()
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """See close_now()."""
        self.close_now()

    def close_now(self) -> None:
        """The channel is closed. Calls under way and later ones raise ClientClosedError.

        May be repeated.
        """
        self._calls.close()

    async def decrypt(
        self,
        names: Iterable[str],
        *,
        namespace: str,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> dict[str, Outcome]:
        """What became of each name, in the order asked; a repeated name is answered once.

        More than 1000 names go in several calls, all within the one deadline. A deadline beyond
        a day is taken for a day. Raises what the module says, and TypeError and ValueError for
        arguments that are no names or no number.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + checked_deadline(deadline_seconds)
        outcomes: dict[str, Outcome] = {}
        for batch in batches(names):
            outcomes |= await self._decrypt_batch(batch, namespace, deadline)
        return outcomes

    async def read(
        self, name: str, *, namespace: str, deadline_seconds: float = DEADLINE_SECONDS
    ) -> Secret:
        """One secret. Raises DecryptError if it has no value for us, else as `decrypt`."""
        outcomes = await self.decrypt(
            [name], namespace=namespace, deadline_seconds=deadline_seconds
        )
        outcome = outcomes[name]
        if isinstance(outcome, Failure):
            raise DecryptError(outcome)
        return outcome

    async def _decrypt_batch(
        self, names: Sequence[str], namespace: str, deadline: float
    ) -> dict[str, Outcome]:
        loop = asyncio.get_running_loop()
        longest, cause = FIRST_PAUSE_SECONDS, None
        while True:
            try:
                return await self._ask(names, namespace, deadline, waits=cause is not None)
            except _RETRIED as error:
                cause = error
            except DeadlineExceededError:
                # What kept us from an answer until now says more than that time is up.
                raise cause or DeadlineExceededError from None
            pause = _chance.uniform(0, longest)
            if loop.time() + pause >= deadline:
                raise cause
            await self._pause(pause)
            longest = min(2 * longest, LONGEST_PAUSE_SECONDS)

    async def _ask(
        self, names: Sequence[str], namespace: str, deadline: float, *, waits: bool
    ) -> dict[str, Outcome]:
        results = await self._results(names, namespace, deadline, waits=waits)
        outcomes = {result.name: outcome_from_proto(result) for result in results}
        if outcomes.keys() != set(names):
            raise UnavailableError("the vault's answer is incomplete")
        return {name: outcomes[name] for name in names}

    async def _results(
        self, names: Sequence[str], namespace: str, deadline: float, *, waits: bool
    ) -> Sequence[decrypter_pb2.DecryptResult]:
        token = await self._present_token(deadline - asyncio.get_running_loop().time())
        try:
            return await self._asked_as(token, names, namespace, deadline, waits=waits)
        except UnauthenticatedError:
            another = self._replacement(token)
            if another is None:
                raise
        return await self._asked_as(another, names, namespace, deadline, waits=waits)

    async def _asked_as(
        self,
        token: Sensitive[str],
        names: Sequence[str],
        namespace: str,
        deadline: float,
        *,
        waits: bool,
    ) -> Sequence[decrypter_pb2.DecryptResult]:
        seconds = deadline - asyncio.get_running_loop().time()
        return await self._calls.results(
            names, namespace=namespace, token=token, seconds=seconds, waits=waits
        )

    async def _present_token(self, seconds: float) -> Sensitive[str]:
        self._calls.check_open()
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                return await checked_token(self._token)
        except TimeoutError:
            if not timeout.expired():
                raise  # the source's own
            raise DeadlineExceededError from None

    def _replacement(self, refused: Sensitive[str]) -> Sensitive[str] | None:
        source = self._token
        return source.replacement(refused) if isinstance(source, TokenFile) else None


def batches(names: Iterable[str]) -> Iterator[list[str]]:
    """Each name once, in order, in portions that one call may ask for.

    Raises TypeError if `names` is one text, or has anything but texts in it, ValueError for a
    text that UTF-8 cannot hold.
    """
    if isinstance(names, (str, bytes, bytearray)):
        raise TypeError("names is to be a sequence of names, not one text")
    unique = list(dict.fromkeys(names))
    if not all(isinstance(name, str) for name in unique):
        raise TypeError("every name is to be a str")
    if any("\ud800" <= letter <= "\udfff" for name in unique for letter in name):
        raise ValueError("a name is not valid Unicode")
    for start in range(0, len(unique), NAMES_PER_CALL):
        yield unique[start : start + NAMES_PER_CALL]


def checked_deadline(seconds: float) -> float:
    """The seconds until the deadline, a day at most.

    Raises TypeError for what is no number, ValueError for NaN, DeadlineExceededError if none
    are left.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, Real):
        raise TypeError("deadline_seconds is to be a number of seconds")
    if seconds != seconds:  # noqa: PLR0124  # NaN
        raise ValueError("deadline_seconds is not a number")
    if seconds <= 0:
        raise DeadlineExceededError
    return float(min(seconds, LONGEST_DEADLINE_SECONDS))


_REASONS = {
    decrypter_pb2.DECRYPT_FAILURE_NOT_FOUND: Reason.NOT_FOUND,
    decrypter_pb2.DECRYPT_FAILURE_NOT_AUTHORIZED: Reason.NOT_AUTHORIZED,
}


def outcome_from_proto(result: decrypter_pb2.DecryptResult) -> Outcome:
    """The result in our own types; what we do not know is a decryption that failed."""
    if result.WhichOneof("outcome") == "value":
        return Secret(result.name, Sensitive(result.value), result.version)
    return Failure(result.name, _REASONS.get(result.failure, Reason.DECRYPTION_FAILED))
