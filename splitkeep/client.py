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
- Values are `Sensitive`: they do not print. Hold them no longer than needed; nothing is cached,
  so that a removed permission or a new value takes effect on the next call.
- Where there is no event loop, `splitkeep.blocking_client` has the same in blocking calls.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from chassis.errors import DeadlineExceededError, ResourceExhaustedError, UnavailableError
from chassis.grpc_client import call, open_channel, stream
from chassis.sensitive import Sensitive
from protos.splitkeep.vault.v1 import decrypter_pb2, decrypter_pb2_grpc
from splitkeep.client_tokens import TokenFile, TokenSource, checked_token

NAMES_PER_CALL = 1_000  # the service's limit
# Up to here every answer fits into gRPC's default limit of 4 MiB for one message.
NAMES_PER_MESSAGE = 100
DEADLINE_SECONDS = 10.0
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
    """One channel to the vault, for any number of concurrent calls. See the module."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        token: TokenSource,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._channel, self._token, self._pause = channel, token, pause
        self._stub = decrypter_pb2_grpc.DecrypterStub(channel)

    @classmethod
    def connect(
        cls,
        target: str,
        *,
        ca: Path,
        token: TokenSource | None = None,
        token_file: Path | None = None,
        server_name: str | None = None,
    ) -> Self:
        """A client for the vault at `target` (host:port), whose certificate `ca` has signed.

        The token comes from a callable (plain or async) asked before every call, or from a file
        that is read again when it changes. `server_name` is the name the certificate must bear,
        if it is not the target's host. No connection is made until the first call.
        Raises ValueError unless there is exactly one source of tokens, OSError for the `ca`.
        """
        if token is not None and token_file is None:
            source = token
        elif token_file is not None and token is None:
            source = TokenFile(token_file)
        else:
            raise ValueError("give either token or token_file")
        return cls(open_channel(target, ca=ca, server_name=server_name), source)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """The channel is closed; calls under way are cancelled."""
        await self._channel.close()

    async def decrypt(
        self,
        names: Sequence[str],
        *,
        namespace: str,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> dict[str, Outcome]:
        """What became of each name, in the order asked; a repeated name is answered once.

        More than 1000 names go in several calls, all within the one deadline.
        Raises what the module says.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_seconds
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
                return await self._ask(names, namespace, deadline - loop.time())
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
        self, names: Sequence[str], namespace: str, seconds: float
    ) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        async for result in self._results(names, namespace, seconds):
            outcomes[result.name] = outcome_from_proto(result)
        if outcomes.keys() != set(names):
            raise UnavailableError("the vault's answer is incomplete")
        return {name: outcomes[name] for name in names}

    async def _results(
        self, names: Sequence[str], namespace: str, seconds: float
    ) -> AsyncIterator[decrypter_pb2.DecryptResult]:
        token = await checked_token(self._token)
        if len(names) <= NAMES_PER_MESSAGE:
            request = decrypter_pb2.DecryptSecureValuesRequest(namespace=namespace, names=names)
            method = self._stub.DecryptSecureValues
            answer = await call(method, request, deadline_seconds=seconds, token=token)
            for result in answer.results:
                yield result
            return
        wish = decrypter_pb2.StreamSecureValuesRequest(namespace=namespace, names=names)
        several = self._stub.StreamSecureValues
        async for part in stream(several, wish, deadline_seconds=seconds, token=token):
            for result in part.results:
                yield result


def batches(names: Sequence[str]) -> Iterator[list[str]]:
    """Each name once, in order, in portions that one call may ask for."""
    unique = list(dict.fromkeys(names))
    for start in range(0, len(unique), NAMES_PER_CALL):
        yield unique[start : start + NAMES_PER_CALL]


_REASONS = {
    decrypter_pb2.DECRYPT_FAILURE_NOT_FOUND: Reason.NOT_FOUND,
    decrypter_pb2.DECRYPT_FAILURE_NOT_AUTHORIZED: Reason.NOT_AUTHORIZED,
}


def outcome_from_proto(result: decrypter_pb2.DecryptResult) -> Outcome:
    """The result in our own types; what we do not know is a decryption that failed."""
    if result.WhichOneof("outcome") == "value":
        return Secret(result.name, Sensitive(result.value), result.version)
    return Failure(result.name, _REASONS.get(result.failure, Reason.DECRYPTION_FAILED))
