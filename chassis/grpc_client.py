"""Calls to a peer: always TLS, always a deadline, errors in our vocabulary.

The peer's INTERNAL is our UnavailableError: its caller can do nothing else about it, and its
text is not ours to show.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc

from chassis.acceptance import note_acceptance
from chassis.deadline import capped
from chassis.errors import (
    DeadlineExceededError,
    KnownError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.grpc_status import from_rpc_error
from chassis.request_id import REQUEST_ID_KEY, current_request_id
from chassis.sensitive import Sensitive

Request = TypeVar("Request")
Response = TypeVar("Response")

ACCESS_TOKEN_KEY = "x-access-token"  # noqa: S105  # the name of a header
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
# What is on its way to a reader of a stream; the peer sends no more before it is read.
UNREAD_BYTES = 262_144
METADATA_BYTES = 65_536  # an error may list many violations (chassis/grpc_status.py)

# A peer may answer these, and gRPC itself, before the credential is accepted.
_BEFORE_ACCEPTANCE = (
    UnauthenticatedError,
    UnavailableError,
    DeadlineExceededError,
    ResourceExhaustedError,
)

PROXY = re.compile(r"[^\s/@]+:[0-9]{1,5}")  # no scheme, no password

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # A peer that comes back is found within a quarter of a second, or a little more: until then
    # calls fail at once, though it could answer them. Nobody waits for a peer that is away.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),  # for making one connection
    ("grpc.max_reconnect_backoff_ms", 250),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    # Left to measure the line, gRPC takes 4 MiB or more for each stream, without a bound: on a
    # busy machine answers to its pings are late, which it takes for a long line.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", UNREAD_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.enable_retries", 0),  # who may repeat a call is decided by who makes it
    # Without this a call goes to the proxy that the environment names for something else.
    ("grpc.enable_http_proxy", 0),
)


def open_channel(
    target: str,
    *,
    ca: Path,
    certificate_chain: Path | None = None,
    private_key: Path | None = None,
    server_name: str | None = None,
) -> grpc.aio.Channel:
    """A channel to `target` (host:port), whose certificate must be signed by `ca`.

    The certificate must bear `server_name`, or else the host of `target`. With a certificate
    and key the channel presents them. The files are read once: a process is restarted to renew
    them. Raises OSError if a file cannot be read.
    """
    if (certificate_chain is None) != (private_key is None):
        raise ValueError("a client certificate and its key go together")
    credentials = grpc.ssl_channel_credentials(
        root_certificates=ca.read_bytes(),
        private_key=private_key.read_bytes() if private_key else None,
        certificate_chain=certificate_chain.read_bytes() if certificate_chain else None,
    )
    options = channel_options(server_name=server_name)
    return grpc.aio.secure_channel(target, credentials, options=options)


def channel_options(
    *, server_name: str | None = None, proxy: str | None = None
) -> list[tuple[str, int | str]]:
    """The options of every channel to a peer.

    Its certificate must bear `server_name`, if one is given. The connection goes through the
    HTTP proxy at `proxy` (host:port) by CONNECT, if one is given, and otherwise through none.
    Raises ValueError for a proxy in another form.
    """
    options = dict(_OPTIONS)
    if server_name:
        options["grpc.ssl_target_name_override"] = server_name
    if proxy is not None:
        if PROXY.fullmatch(proxy) is None:
            raise ValueError("a proxy is given as HOST:PORT")
        options |= {"grpc.enable_http_proxy": 1, "grpc.http_proxy": f"http://{proxy}"}
    return list(options.items())


async def call(
    method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
    request: Request,
    *,
    deadline_seconds: float,
    token: Sensitive[str] | None = None,
    metadata: Sequence[tuple[str, str]] = (),
) -> Response:
    """The peer's answer, within `deadline_seconds` or what is left of the present request.

    Raises the KnownError that the peer's status tells of; UnavailableError if it tells of none.
    """
    timeout = call_timeout(deadline_seconds)
    try:
        answer = await method(request, timeout=timeout, metadata=call_metadata(token, metadata))
    except grpc.aio.AioRpcError as error:
        raise _noted(known_error(error), token) from None
    if token:
        note_acceptance()
    return answer


async def stream(
    method: grpc.aio.UnaryStreamMultiCallable[Request, Response],
    request: Request,
    *,
    deadline_seconds: float,
    token: Sensitive[str] | None = None,
    metadata: Sequence[tuple[str, str]] = (),
) -> AsyncGenerator[Response, None]:
    """The peer's answers one by one. Raises as call() does, at whichever answer it happens."""
    timeout = call_timeout(deadline_seconds)
    answers = method(request, timeout=timeout, metadata=call_metadata(token, metadata))
    try:
        async for answer in answers:
            if token:
                note_acceptance()
            yield answer
    except grpc.aio.AioRpcError as error:
        raise _noted(known_error(error), token) from None
    finally:
        answers.cancel()


def call_timeout(deadline_seconds: float) -> float:
    """The seconds that a call may take. Raises DeadlineExceededError if there are none."""
    timeout = capped(deadline_seconds)
    if timeout <= 0:
        raise DeadlineExceededError
    return timeout


def call_metadata(
    token: Sensitive[str] | None, extra: Sequence[tuple[str, str]] = ()
) -> tuple[tuple[str, Any], ...]:
    """The headers of a call. Raises UnauthenticatedError if no header can carry the token."""
    request_id = current_request_id()
    return (
        *(((ACCESS_TOKEN_KEY, _sendable(token)),) if token else ()),
        *(((REQUEST_ID_KEY, request_id),) if request_id else ()),
        *extra,
    )


def _sendable(token: Sensitive[str]) -> str:
    # gRPC accepts printable ASCII only; given anything else, the call would never end.
    text = token.reveal()
    if not (text.isascii() and text.isprintable()):
        raise UnauthenticatedError("the credential is not printable ASCII text")
    return text


def _noted(error: KnownError, token: Sensitive[str] | None) -> KnownError:
    """The error, once it is noted if it tells that the token was accepted."""
    if token and not isinstance(error, _BEFORE_ACCEPTANCE):
        note_acceptance()
    return error


def known_error(error: "grpc.aio.AioRpcError | grpc.Call") -> KnownError:
    """What the peer's status tells of; UnavailableError if it tells of nothing we know."""
    # The original is not kept as the cause: its repr quotes metadata and addresses.
    known = from_rpc_error(error)
    return known if isinstance(known, KnownError) else UnavailableError()
