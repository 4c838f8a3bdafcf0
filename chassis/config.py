"""Configuration as one frozen value, read once from the environment.

- The field `listen_port: int` is read from the variable PREFIX + "LISTEN_PORT".
- A `Sensitive` field is read from its variable, or from the file that
  its variable + "_FILE" names.
- Every problem is found before any is reported, unknown variables under the prefix included.
- No problem quotes a value: a secret may have been put into the wrong variable.
- The metadata `holds` of a path says what is in the file: see chassis/file_rules.py. A file
  that a `_FILE` variable names holds a secret.
- The metadata `check` of a field is called with its text; it raises ValueProblemError.

    @dataclass(frozen=True, slots=True)
    class Config:
        dsn: Sensitive[str] = field(metadata={"help": "where the database is"})
        port: int = field(default=9401, metadata={"help": "gRPC port", "min": 0, "max": 65535})
"""

import dataclasses
import difflib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from chassis.config_values import ValueProblemError, parse_value
from chassis.file_problems import file_problem
from chassis.file_rules import FileRuleError, Holds, check_file, read_file
from chassis.sensitive import Sensitive

T = TypeVar("T")

MAX_FILE_BYTES = 65_536
_FILE_SUFFIX = "_FILE"


class StartRefusedError(Exception):
    """What the process is given does not allow a start; every problem is listed.

    A problem is one sentence: what fails, where (a setting, a path, host:port), what to do.
    """

    exit_code: ClassVar[int] = 2  # somebody has to change something first

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class StartHinderedError(StartRefusedError):
    """What the process needs is not there at present; the same start may succeed later."""

    exit_code: ClassVar[int] = 3


class ConfigError(StartRefusedError):
    """The environment does not give a complete, valid configuration."""


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """One variable, for people: what it is called, takes and means."""

    field: str
    variable: str
    type: str
    required: bool
    default: str
    help: str
    minimum: float | None
    maximum: float | None
    sensitive: bool


def load_config(kind: type[T], prefix: str, environ: Mapping[str, str]) -> T:
    """The configuration `kind`, from the variables under `prefix`.

    Raises ConfigError with every problem.
    """
    problems: list[str] = []
    values: dict[str, object] = {}
    for entry in _fields(kind):
        variable = prefix + entry.name.upper()
        try:
            text = _text(variable, environ, sensitive=entry.sensitive)
            if text is not None:
                values[entry.name] = _parse(entry, text)
            elif entry.required:
                problems.append(f"{variable} is required{_alternative(entry, variable)}")
        except ValueProblemError as error:
            problems.append(f"{variable} {error}")
    problems += _unknown(kind, prefix, environ)
    if problems:
        raise ConfigError(tuple(problems))
    return kind(**values)


def describe(kind: type, prefix: str = "") -> list[FieldDescription]:
    """Every field of `kind`, in order, as documentation needs it."""
    return [
        FieldDescription(
            field=entry.name,
            variable=prefix + entry.name.upper(),
            type=entry.type_name,
            required=entry.required,
            default=entry.default_text,
            help=str(entry.metadata.get("help", "")),
            minimum=entry.metadata.get("min"),
            maximum=entry.metadata.get("max"),
            sensitive=entry.sensitive,
        )
        for entry in _fields(kind)
    ]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    type: Any  # the annotation without `| None`
    required: bool
    default: object
    metadata: Mapping[str, Any]

    @property
    def sensitive(self) -> bool:
        return (get_origin(self.type) or self.type) is Sensitive

    @property
    def type_name(self) -> str:
        return (
            "tuple" if get_origin(self.type) is tuple else getattr(self.type, "__name__", "?")
        )

    @property
    def default_text(self) -> str:
        if self.required or self.default is None:
            return ""
        if isinstance(self.default, tuple):
            return ",".join(map(str, self.default))
        return (
            str(self.default).lower() if isinstance(self.default, bool) else str(self.default)
        )


def _fields(kind: type) -> Iterator[_Field]:
    hints = get_type_hints(kind)
    for entry in dataclasses.fields(kind):
        factory = entry.default_factory
        default = entry.default if factory is dataclasses.MISSING else factory()
        yield _Field(
            name=entry.name,
            type=_without_none(hints[entry.name]),
            required=default is dataclasses.MISSING,
            default=default,
            metadata=entry.metadata,
        )


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    (only,) = (arm for arm in get_args(annotation) if arm is not type(None))
    return only


def _text(variable: str, environ: Mapping[str, str], *, sensitive: bool) -> str | None:
    file_variable = variable + _FILE_SUFFIX
    if not sensitive or file_variable not in environ:
        return environ.get(variable)
    if variable in environ:
        raise ValueProblemError(f"and {file_variable} are both set; set one")
    path = Path(environ[file_variable])
    try:
        content = read_file(path, Holds.SECRET, maximum_bytes=MAX_FILE_BYTES)
        return content.decode().removesuffix("\n").removesuffix("\r")
    except FileRuleError as error:
        raise ValueProblemError(f"is in {path}, which {error}") from None
    except OSError as error:
        raise ValueProblemError(
            f"cannot be read from the file of {file_variable}: {file_problem(error)}"
        ) from None
    except ValueError:
        raise ValueProblemError(f"is not UTF-8 text in the file of {file_variable}") from None


def _parse(entry: _Field, text: str) -> object:
    if entry.sensitive:
        if not text.strip():
            raise ValueProblemError("is empty")
        entry.metadata.get("check", _anything)(text)
        return Sensitive(text)
    minimum, maximum = entry.metadata.get("min"), entry.metadata.get("max")
    value = parse_value(entry.type, text, minimum=minimum, maximum=maximum)
    entry.metadata.get("check", _anything)(text)
    if "holds" in entry.metadata and isinstance(value, Path):
        _check_file(value, entry.metadata["holds"])
    return value


def _check_file(path: Path, holds: Holds) -> None:
    try:
        check_file(path, holds)
    except FileRuleError as error:
        raise ValueProblemError(f"names {path}, which {error}") from None
    except OSError:
        return  # the reader of the file reports what is wrong


def _anything(_text: str) -> None:
    """Every text will do."""


def _alternative(entry: _Field, variable: str) -> str:
    return f" (or {variable}{_FILE_SUFFIX})" if entry.sensitive else ""


def _unknown(kind: type, prefix: str, environ: Mapping[str, str]) -> Iterator[str]:
    known = {prefix + entry.name.upper() for entry in _fields(kind)}
    known |= {
        prefix + entry.name.upper() + _FILE_SUFFIX for entry in _fields(kind) if entry.sensitive
    }
    for variable in sorted(name for name in environ if name.startswith(prefix)):
        if variable not in known:
            near = difflib.get_close_matches(variable, known, n=1)
            yield f"{variable[:128]} is not known" + (f"; is {near[0]} meant?" if near else "")
