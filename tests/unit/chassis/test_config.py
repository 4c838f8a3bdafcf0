"""Configuration from the environment."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import pytest

from chassis.config import ConfigError, describe, load_config
from chassis.sensitive import Sensitive

MARKER = "marker-of-a-secret"


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Config:
    dsn: Sensitive[str] = field(metadata={"help": "where the database is"})
    port: int = field(default=9401, metadata={"help": "the port", "min": 0, "max": 65535})
    ratio: float = 0.5
    reflection: bool = True
    file: Path | None = None
    names: tuple[str, ...] = ("a", "b")
    colour: Colour = Colour.RED
    password: Sensitive[str] | None = None


def load(**variables: str) -> Config:
    environ = {f"X_{name.upper()}": value for name, value in variables.items()}
    return load_config(Config, "X_", environ | {"HOME": "/root", "XY": "1"})


def problems(**variables: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(**variables)
    return caught.value.problems


def test_what_is_not_set_has_its_default() -> None:
    config = load(dsn="d")

    assert (config.port, config.reflection, config.file, config.names) == (
        9401,
        True,
        None,
        ("a", "b"),
    )


def test_every_type_is_read() -> None:
    config = load(
        dsn="d",
        port="1",
        ratio="0.25",
        reflection="false",
        file="/etc/x",
        names="c, d",
        colour="BLUE",
        password="p",  # no password
    )

    assert (config.port, config.ratio, config.reflection, config.file) == (
        1,
        0.25,
        False,
        Path("/etc/x"),
    )
    assert (config.names, config.colour) == (("c", "d"), Colour.BLUE)
    assert isinstance(config.password, Sensitive)
    assert (config.dsn.reveal(), config.password.reveal()) == ("d", "p")


def test_a_list_may_be_empty() -> None:
    assert load(dsn="d", names="").names == ()


@pytest.mark.parametrize(
    ("variable", "text", "problem"),
    [
        ("port", "x", "X_PORT must be a whole number"),
        ("port", "1.0", "X_PORT must be a whole number"),
        ("port", "٣", "X_PORT must be a whole number"),
        ("port", "9" * 5000, "X_PORT must be a whole number"),
        ("port", "65536", "X_PORT must be at most 65535"),
        ("port", "-1", "X_PORT must be at least 0"),
        ("port", "", "X_PORT is empty"),
        ("ratio", "nan", "X_RATIO must be a finite number"),
        ("ratio", "much", "X_RATIO must be a number"),
        ("reflection", "yes", "X_REFLECTION must be true or false"),
        ("names", "a,,b", "X_NAMES has an empty item between its commas"),
        ("colour", "green", "X_COLOUR must be one of red, blue"),
        ("file", " ", "X_FILE is empty"),
    ],
)
def test_a_value_that_breaks_its_rule_is_a_problem(
    variable: str, text: str, problem: str
) -> None:
    assert problems(dsn="d", **{variable: text}) == (problem,)


def test_every_problem_is_listed_at_once() -> None:
    assert problems(port="x", reflection="x", prot="1") == (
        "X_DSN is required (or X_DSN_FILE)",
        "X_PORT must be a whole number",
        "X_REFLECTION must be true or false",
        "X_PROT is not known; is X_PORT meant?",
    )


def test_an_unknown_variable_without_a_likeness_is_named_alone() -> None:
    assert problems(dsn="d", zzzzzzzz="1") == ("X_ZZZZZZZZ is not known",)


def test_no_problem_quotes_a_value() -> None:
    listed = problems(port=MARKER, ratio=MARKER, colour=MARKER, dsn_file=MARKER)

    assert MARKER not in " ".join(listed)


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text("from the file\n")
    (tmp_path / "dsn").chmod(0o600)

    assert load(dsn_file=str(tmp_path / "dsn")).dsn.reveal() == "from the file"


def test_a_secret_from_both_places_is_a_problem(tmp_path: Path) -> None:
    assert problems(dsn=MARKER, dsn_file=str(tmp_path)) == (
        "X_DSN and X_DSN_FILE are both set; set one",
    )


def test_a_secret_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (problem,) = problems(dsn_file=str(tmp_path / "absent"))

    assert problem.startswith("X_DSN cannot be read from the file of X_DSN_FILE")


def test_a_secret_file_beyond_the_bound_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text("x" * 70_000)
    (tmp_path / "dsn").chmod(0o600)

    (problem,) = problems(dsn_file=str(tmp_path / "dsn"))

    assert problem == f"X_DSN is in {tmp_path / 'dsn'}, which is longer than 65536 bytes"


@pytest.mark.parametrize("content", ["", "\n", "  \n"], ids=repr)
def test_an_empty_secret_is_a_problem(tmp_path: Path, content: str) -> None:
    (tmp_path / "dsn").write_text(content)
    (tmp_path / "dsn").chmod(0o600)

    assert problems(dsn_file=str(tmp_path / "dsn")) == ("X_DSN is empty",)


def test_only_a_secret_is_read_from_a_file() -> None:
    (problem,) = problems(dsn="d", port_file="x")

    assert problem.startswith("X_PORT_FILE is not known")


def test_a_configuration_prints_no_secret() -> None:
    assert MARKER not in repr(load(dsn=MARKER, password=MARKER))


def test_every_field_is_described() -> None:
    described = {entry.variable: entry for entry in describe(Config, "X_")}

    assert list(described) == [
        f"X_{name}"
        for name in (
            "DSN",
            "PORT",
            "RATIO",
            "REFLECTION",
            "FILE",
            "NAMES",
            "COLOUR",
            "PASSWORD",
        )
    ]
    assert (described["X_PORT"].default, described["X_PORT"].maximum) == ("9401", 65535)
    assert (described["X_DSN"].required, described["X_DSN"].sensitive) == (True, True)
    assert (described["X_NAMES"].default, described["X_REFLECTION"].default) == ("a,b", "true")
