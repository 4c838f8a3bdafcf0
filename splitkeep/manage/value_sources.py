"""Where a value comes from: a prompt, a file, standard input, the environment, or chance.

Never an argument: everybody on the machine can read those. The bytes are the value, exactly.
The API keeps text, so bytes that are not UTF-8 are refused and nothing is guessed.
"""

import os
import secrets
import string
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from getpass import getpass
from pathlib import Path

from chassis.sensitive import Sensitive
from splitkeep.files import PRIVATE, open_file
from splitkeep.manage.failures import CommandError, ExitCode

STANDARD_INPUT = "-"
LONGEST_READ = 1024 * 1024
"""Bytes. The server says how long a value may be; this bounds what is read at all."""

ALPHABETS = {
    "alphanumeric": string.ascii_letters + string.digits,
    "hex": "0123456789abcdef",
    "base64url": string.ascii_letters + string.digits + "-_",
    "printable": string.ascii_letters + string.digits + "!#$%&()*+,-./:;<=>?@[]^_{|}~",
}
LONGEST_GENERATED = 24_576


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSource:
    """What the command line says of the value; nothing at all asks at the terminal."""

    file: str = ""
    variable: str = ""
    generate: int = 0
    alphabet: str = "alphanumeric"
    save_to: Path | None = None
    strip_newline: bool = False

    @property
    def is_given(self) -> bool:
        """Whether the command line names a source."""
        return bool(self.file or self.variable or self.generate)

    def require_one(self) -> None:
        """Raises CommandError if it names several, or says how to use another."""
        given = [bool(self.file), bool(self.variable), bool(self.generate)]
        if sum(given) > 1:
            raise _wrong("--from-file, --from-env and --generate exclude each other")
        if self.save_to is not None and not self.generate:
            raise _wrong("--save-to goes with --generate")
        if self.strip_newline and self.generate:
            raise _wrong("--strip-newline goes with a value that is read")
        if self.generate and not 0 < self.generate <= LONGEST_GENERATED:
            raise _wrong(f"--generate takes 1 to {LONGEST_GENERATED} characters")


def read_value(source: ValueSource, environ: Mapping[str, str]) -> Sensitive[str]:
    """The value. Raises CommandError, also if there is no terminal to ask at."""
    source.require_one()
    if source.generate:
        return _generated(source)
    if source.variable:
        return _text(_of_environment(source.variable, environ), source)
    if source.file:
        return _text(_of_file(source.file), source)
    return _prompted()


def _generated(source: ValueSource) -> Sensitive[str]:
    alphabet = ALPHABETS[source.alphabet]
    value = "".join(secrets.choice(alphabet) for _ in range(source.generate))
    if source.save_to is not None:
        _save(source.save_to, value)
    return Sensitive(value)


def _save(path: Path, value: str) -> None:
    """The file is new, its owner's alone, and holds the value."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    except OSError as error:
        raise CommandError(f"--save-to {path}: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(value)


def _of_environment(name: str, environ: Mapping[str, str]) -> bytes:
    if name not in environ:
        raise _wrong(f"--from-env {name}: there is no such variable")
    return os.fsencode(environ[name])


def _of_file(name: str) -> bytes:
    try:
        if name == STANDARD_INPUT:
            content = sys.stdin.buffer.read(LONGEST_READ + 1)
        else:
            with open_file(Path(name)) as file:
                content = file.read(LONGEST_READ + 1)
    except OSError as error:
        raise _wrong(f"--from-file {name}: {error.strerror}") from None
    if len(content) > LONGEST_READ:
        raise _wrong(f"--from-file {name}: is longer than {LONGEST_READ} bytes")
    return content


def _text(content: bytes, source: ValueSource) -> Sensitive[str]:
    if source.strip_newline:
        content = content.removesuffix(b"\n").removesuffix(b"\r")
    try:
        return Sensitive(content.decode())
    except UnicodeDecodeError as error:
        raise _wrong(
            f"the value is not UTF-8 (byte {error.start + 1}), and the API keeps text: encode "
            "it, for example as base64, and store that"
        ) from None


def _prompted() -> Sensitive[str]:
    if not sys.stdin.isatty():
        raise _wrong(
            "there is no terminal to ask for the value: use --from-file - to read it from "
            "standard input, or --from-file, --from-env or --generate"
        )
    value = Sensitive(getpass("Value: "))
    if value.reveal() != getpass("Value, again: "):
        raise CommandError("the two values differ: nothing is written", ExitCode.USAGE)
    return value


def _wrong(message: str) -> CommandError:
    return CommandError(message, ExitCode.USAGE)
