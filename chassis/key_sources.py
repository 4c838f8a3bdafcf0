"""Where an issuer's keys come from, and when they are read again.

- A file is looked at again at most once a second, and read when it has changed.
- A URL is fetched again after its time to live, behind the back of callers as long as the keys
  they have are not stale; and at once for a key id not seen before, at most every 30 seconds.
- A key that is not among those read last verifies nothing any more. Keys that cannot be read
  are used for an hour after they last could be, and no longer.
- Nothing is ever fetched because a token names it: the address is configuration.
"""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import httpx2
import structlog

from chassis.clock import Clock
from chassis.errors import UnavailableError
from chassis.file_rules import FileRuleError, Holds, read_file
from chassis.issuers import Issuer
from chassis.jwks import KeySet, KeySetError, parse_key_set
from chassis.line_limit import LineLimit

MAX_DOCUMENT_BYTES = 262_144
FETCH_TIMEOUT_SECONDS = 5.0
FILE_LOOK = timedelta(seconds=1)
TIME_TO_LIVE = timedelta(minutes=5)
LONG_UNUSED = 2 * TIME_TO_LIVE
LEAST_PAUSE = timedelta(seconds=30)
STALE_AFTER = timedelta(hours=1)

_log = structlog.get_logger(__name__)
_NOT_READ = LineLimit("key set not read")  # each token with an unknown key id has it looked at


class KeySource(Protocol):
    """The present keys of one issuer."""

    async def keys(self, *, unknown_key_id: bool = False) -> KeySet:
        """The keys; looked up once more if a token names one that is not among them.

        Raises UnavailableError if there are no usable keys.
        """
        ...

    def at_hand(self) -> KeySet | None:
        """The keys, if they are available without waiting; as fresh as those of keys().

        A refresh that is due is started in the background.
        """
        ...


def key_source(issuer: Issuer, clock: Clock) -> KeySource:
    """The source that the issuer's configuration names."""
    if issuer.jwks_file is not None:
        return FileKeySource(issuer.jwks_file, issuer.algorithm, clock)
    if issuer.jwks_url is None:
        raise ValueError("an issuer needs a jwks_file or a jwks_url")
    route = Route(client_context(issuer.jwks_ca), issuer.jwks_proxy)
    return UrlKeySource(issuer.jwks_url, issuer.algorithm, clock, route)


def client_context(ca: Path | None = None) -> ssl.SSLContext:
    """Verifies servers by the authority in the file, or else by the machine's trust store.

    ssl.create_default_context() would write the keys of every session to the file that
    SSLKEYLOGFILE names. Raises OSError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca)
    return context


@dataclass(frozen=True, slots=True)
class Route:
    """How a key set is reached: whom to trust, and the URL of a proxy, if it needs one."""

    tls: ssl.SSLContext
    proxy: str | None = None


class FileKeySource:
    """Keys in a file, which may be replaced at any time. See KeySource."""

    def __init__(self, path: Path, algorithm: str, clock: Clock) -> None:
        self._path, self._algorithm, self._clock = path, algorithm, clock
        self._looked_at: datetime | None = None
        self._read_at: datetime | None = None
        self._version: tuple[int, ...] = ()
        self._keys: KeySet | None = None

    async def keys(self, *, unknown_key_id: bool = False) -> KeySet:
        """See KeySource.keys."""
        if unknown_key_id:
            self._looked_at = None
        keys = self.at_hand()
        if keys is None:
            raise UnavailableError("no key of the token's issuer is at hand")
        return keys

    def at_hand(self) -> KeySet | None:
        """See KeySource.at_hand."""
        now = self._clock.now()
        if self._looked_at is None or abs(now - self._looked_at) >= FILE_LOOK:
            self._looked_at = now
            self._look(now)
        stale = self._read_at is None or now - self._read_at >= STALE_AFTER
        return None if stale else self._keys

    def _look(self, now: datetime) -> None:
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if version != self._version:
                document = read_file(self._path, Holds.TRUST, maximum_bytes=MAX_DOCUMENT_BYTES)
                self._keys = _parsed(document, self._algorithm)
                self._version = version
            self._read_at = now
        except (OSError, FileRuleError, KeySetError) as error:
            # A file caught in the middle of its replacement is read again at the next look.
            _NOT_READ.say(reason=type(error).__name__, rule=_rule(error))


@dataclass(slots=True)
class _Fetched:
    keys: KeySet
    at: datetime


class UrlKeySource:
    """Keys behind an https URL. See KeySource."""

    def __init__(
        self, url: str, algorithm: str, clock: Clock, route: Route | None = None
    ) -> None:
        if not url.startswith("https://"):
            raise ValueError("keys are fetched over https only")
        self._url, self._algorithm, self._clock = url, algorithm, clock
        self._route = route or Route(client_context())
        self._fetched: _Fetched | None = None
        self._tried_at: datetime | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def keys(self, *, unknown_key_id: bool = False) -> KeySet:
        """See KeySource.keys."""
        keys = None if unknown_key_id else self.at_hand()
        if keys is not None:
            return keys
        await self._renewed()
        usable = self._usable()
        if usable is None:
            raise UnavailableError("no key of the token's issuer can be had")
        return usable.keys

    def at_hand(self) -> KeySet | None:
        """See KeySource.at_hand."""
        usable = self._usable()
        # If nobody has asked for long, a key that is gone since must not verify this call.
        if usable is None or self._untried_for(LONG_UNUSED):
            return None
        if self._age(usable.at) >= TIME_TO_LIVE:
            self._renewal()
        return usable.keys

    def _untried_for(self, time: timedelta) -> bool:
        return self._tried_at is None or self._age(self._tried_at) >= time

    def _usable(self) -> _Fetched | None:
        fetched = self._fetched
        return fetched if fetched and self._age(fetched.at) < STALE_AFTER else None

    def _age(self, at: datetime) -> timedelta:
        return self._clock.now() - at

    async def _renewed(self) -> None:
        renewal = self._renewal()
        if renewal is not None:
            await asyncio.shield(renewal)  # others wait for it too

    def _renewal(self) -> asyncio.Task[None] | None:
        """The one fetch under way, begun now if none is and the last is long enough ago."""
        if self._fetching is not None:
            return self._fetching
        pause = LEAST_PAUSE if self._usable() else FILE_LOOK
        if self._tried_at is not None and self._age(self._tried_at) < pause:
            return None
        self._tried_at = self._clock.now()
        self._fetching = asyncio.create_task(self._fetch())
        self._fetching.add_done_callback(self._forget)
        return self._fetching

    def _forget(self, _done: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_SECONDS):
                document = await self._download()
            self._fetched = _Fetched(_parsed(document, self._algorithm), self._clock.now())
        except (httpx2.HTTPError, OSError, KeySetError) as error:
            _log.warning("key set not fetched", reason=type(error).__name__, rule=_rule(error))

    async def _download(self) -> bytes:
        async with (
            self._client() as client,
            client.stream("GET", self._url, headers={"accept": "application/json"}) as response,
        ):
            if response.status_code != httpx2.codes.OK:
                raise KeySetError("the key set's address does not answer 200")
            document = b""
            async for chunk in response.aiter_bytes():
                document += chunk
                if len(document) > MAX_DOCUMENT_BYTES:
                    raise KeySetError("the key set is too long")
            return document

    def _client(self) -> httpx2.AsyncClient:
        """Proxies that the environment names are not used: the issuers file names one."""
        route = self._route
        return httpx2.AsyncClient(
            verify=route.tls, proxy=route.proxy, follow_redirects=False, trust_env=False
        )


def _parsed(document: bytes, algorithm: str) -> KeySet:
    keys = parse_key_set(document, algorithm)
    if not keys.keys:
        _log.warning(
            "key set without a usable key: every token is refused", algorithm=algorithm
        )
    return keys


def _rule(error: Exception) -> str:
    return str(error) if isinstance(error, (FileRuleError, KeySetError)) else ""
