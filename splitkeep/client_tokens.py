"""Where the decrypt client's access tokens come from."""

import hmac
import inspect
import time
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from chassis.errors import UnauthenticatedError
from chassis.sensitive import Sensitive
from chassis.token_parsing import parse_token
from splitkeep.files import open_file

Token = str | Sensitive[str]
TokenSource = Callable[[], Token | Awaitable[Token]]

LONGEST_FILE = 65_536  # bytes
# A file that was just written may be written again without a change of its size or its time.
SETTLED_SECONDS = 2.0

_Version = tuple[int, int, int]


@dataclass(slots=True)
class TokenFile:
    """A file with one token, which whoever renews the token replaces or writes over.

    What was read last stays in use while no token can be read: the file is away, empty,
    unreadable, a directory, a pipe. A token that is written in part looks like one;
    replacement() gives another once the service has refused it.
    """

    path: Path
    _version: _Version | None = field(default=None, init=False)
    _token: Sensitive[str] | None = field(default=None, init=False)
    _before: Sensitive[str] | None = field(default=None, init=False)

    def __call__(self) -> Sensitive[str]:
        """The file's present token, or else the last one.

        Raises UnauthenticatedError if there was none yet, or the last one has expired.
        """
        fault = self._read()
        token, name = self._token, f"the token file {self.path}"
        if token is None:
            raise UnauthenticatedError(f"{name} {fault}")
        if fault and has_expired(token):
            raise UnauthenticatedError(f"{name} {fault}, and the last token in it has expired")
        return token

    def replacement(self, refused: Sensitive[str]) -> Sensitive[str] | None:
        """Another token than the one that was refused: the file's present one, or its last."""
        self._version = None
        for token in (self(), self._before):
            if token is not None and not _same(token, refused) and not has_expired(token):
                return token
        return None

    def _read(self) -> str | None:
        """Why the file has no token now; None if it has one, which is kept."""
        try:
            found = self.path.stat()
            version = (found.st_mtime_ns, found.st_size, found.st_ino)
            settled = abs(time.time() - found.st_mtime) > SETTLED_SECONDS
            if version != self._version or not settled:
                with open_file(self.path) as file:
                    self._keep(_one_token(file.read(LONGEST_FILE)), version)
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        except ValueError:
            return "holds no token"
        return None

    def _keep(self, text: str, version: _Version) -> None:
        token, self._version = Sensitive(text), version
        if self._token is None or not _same(token, self._token):
            self._before, self._token = self._token, token


async def checked_token(source: TokenSource) -> Sensitive[str]:
    """The source's token, fit for a header, without the blanks and line breaks around it.

    Raises UnauthenticatedError, or what the source raises.
    """
    token = source()
    if inspect.isawaitable(token):
        token = await token
    text: object = token.reveal() if isinstance(token, Sensitive) else token
    if not isinstance(text, str) or not _is_token(text.strip()):
        raise UnauthenticatedError("the token source gave no token")
    return Sensitive(text.strip())


def has_expired(token: Sensitive[str]) -> bool:
    """Whether the token says so of itself. What is no signed token says nothing."""
    try:
        expiry = parse_token(token.reveal()).claims.get("exp")
    except UnauthenticatedError:
        return False
    return isinstance(expiry, (int, float)) and expiry <= time.time()


def _one_token(content: bytes) -> str:
    """The token in a file, as editors and shells write one. Raises ValueError."""
    utf16 = content.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    text = content.decode("utf-16" if utf16 else "utf-8-sig").strip()
    if not _is_token(text):
        raise ValueError("no token")
    return text


def _is_token(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _same(one: Sensitive[str], other: Sensitive[str]) -> bool:
    return hmac.compare_digest(one.reveal(), other.reveal())
