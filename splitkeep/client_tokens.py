"""Where the decrypt client's access tokens come from."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from chassis.errors import UnauthenticatedError
from chassis.sensitive import Sensitive

Token = str | Sensitive[str]
TokenSource = Callable[[], Token | Awaitable[Token]]

_Version = tuple[int, int, int]


@dataclass(slots=True)
class TokenFile:
    """A file with one token, which whoever renews the token replaces."""

    path: Path
    _version: _Version | None = field(default=None, init=False)
    _token: Sensitive[str] | None = field(default=None, init=False)

    def __call__(self) -> Sensitive[str]:
        """The file's present token. Raises UnauthenticatedError if it cannot be read."""
        try:
            found = self.path.stat()
            version = (found.st_mtime_ns, found.st_size, found.st_ino)
            if self._token is None or version != self._version:
                self._token = Sensitive(self.path.read_text(encoding="ascii").strip())
                self._version = version
        except (OSError, UnicodeDecodeError):
            raise UnauthenticatedError(f"the token file {self.path} cannot be read") from None
        return self._token


async def checked_token(source: TokenSource) -> Sensitive[str]:
    """The source's token, fit for a header. Raises UnauthenticatedError, or what it raises."""
    token = source()
    if inspect.isawaitable(token):
        token = await token
    text = token.reveal() if isinstance(token, Sensitive) else token
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise UnauthenticatedError("the token source gave no token")
    return Sensitive(text)
