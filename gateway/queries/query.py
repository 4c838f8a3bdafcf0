"""The query string, read strictly: what decides a meaning is given once, and spelt right."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from gateway.errors import BadRequestError

MAX_PARAMETERS = 100


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters in the order given; those nobody asks for are ignored."""

    parameters: tuple[tuple[str, str], ...]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value given for `name`."""
        return tuple(value for key, value in self.parameters if key == name)

    def text(self, name: str) -> str:
        """The one value, or an empty one. Raises BadRequestError: it is given twice."""
        values = self.all(name)
        if len(values) > 1:
            raise BadRequestError(f"{name}: must be given once")
        return values[0] if values else ""

    def flag(self, name: str) -> bool:
        """Kubernetes' reading of a boolean: given, and neither `false` nor `0`."""
        return any(value not in {"false", "0"} for value in self.all(name))

    def count(self, name: str) -> int:
        """A number that is not negative, 0 when not given. Raises BadRequestError."""
        text = self.text(name)
        if not text:
            return 0
        if not (text.isascii() and text.isdigit() and len(text) <= 18):  # noqa: PLR2004  # fits 64 bits
            raise BadRequestError(f"{name}: must be a whole number, 0 or more")
        return int(text)


def query_from(raw: bytes) -> Query:
    """The query string's parameters.

    Raises BadRequestError: it is not percent-encoded UTF-8, or has too many parameters.
    """
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        pairs = None
    if pairs is None:
        raise BadRequestError(
            f"the query string must be at most {MAX_PARAMETERS} parameters in UTF-8"
        )
    return Query(tuple(pairs))


def dry_run(values: tuple[str, ...], *, field: str) -> bool:
    """Whether the values of a `dryRun` ask for one. Raises InvalidArgumentError: not `All`."""
    if any(value != "All" for value in values):
        violation = FieldViolation(field, Rule.INVALID, 'must be "All"')
        raise InvalidArgumentError(violations=(violation,))
    return bool(values)
