"""Tokens of the issuers that a file names by now.

- The file is looked at once a second at most, and read when it has changed.
- An issuer that was taken out of it is trusted no more from that look on, nor is any token of
  it; an issuer whose keys are where they were keeps those that are at hand.
- A file that is not usable changes nothing: the last good one counts, and a warning says why.
"""

from datetime import timedelta
from pathlib import Path

import structlog

from chassis.caller import Caller
from chassis.clock import Clock
from chassis.file_problems import file_problem
from chassis.issuers import IssuersFileError, load_issuers
from chassis.jwt_verifier import JwtVerifier
from chassis.sensitive import Sensitive
from chassis.telemetry import record

LOOK = timedelta(seconds=1)

_log = structlog.get_logger(__name__)


class IssuersFileVerifier:
    """See chassis.identity.TokenVerifier."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Raises IssuersFileError if the file is not usable."""
        self._path, self._clock = path, clock
        self._looked_at = clock.now()
        self._version = _version(path)
        self._verifier = JwtVerifier(load_issuers(path), clock)
        self._refused: tuple[str, ...] = ()

    def remembered(self, token: Sensitive[str]) -> Caller | None:
        """See TokenVerifier.remembered."""
        self._look_if_due()
        return self._verifier.remembered(token)

    async def verify(self, token: Sensitive[str]) -> Caller:
        """See TokenVerifier.verify."""
        self._look_if_due()
        return await self._verifier.verify(token)

    def _look_if_due(self) -> None:
        now = self._clock.now()
        if abs(now - self._looked_at) >= LOOK:
            self._looked_at = now
            self._look()

    def _look(self) -> None:
        try:
            version = _version(self._path)
            if version == self._version:
                return
            issuers = load_issuers(self._path)
            self._verifier = self._verifier.with_issuers(issuers)
        except IssuersFileError as error:
            self._note_refused(error.problems)
        except OSError as error:  # the authority of a key set's host
            self._note_refused(
                (f"{self._path}: a jwks_ca is not usable: {type(error).__name__}",)
            )
        else:
            self._version, self._refused = version, ()
            record("issuers renewed", issuers=[issuer.issuer for issuer in issuers])

    def _note_refused(self, problems: tuple[str, ...]) -> None:
        """The file may be in the middle of its replacement: the next look reads it again."""
        if problems != self._refused:
            _log.warning("issuers not renewed", problems=list(problems))
        self._refused = problems


def _version(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError as error:
        raise IssuersFileError(path, (file_problem(error),)) from None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
