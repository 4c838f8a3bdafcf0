"""Named statements."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from chassis.queries import QueryFileError, in_one_text, load_queries


@dataclass(frozen=True)
class Queries:
    read_one: str
    write_one: str


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "queries_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "queries_of_a_test", raising=False)
    return folder


def load(package: Path, text: str) -> Queries:
    (package / "q.sql").write_text(text)
    return load_queries(Queries, "queries_of_a_test", "q.sql")


def test_each_section_is_a_field(package: Path) -> None:
    queries = load(
        package,
        "-- what this is\n\n-- name: read_one\n-- $1 n\nSELECT $1;\n-- name: write_one\nX\nY\n",
    )

    assert queries == Queries(read_one="-- $1 n\nSELECT $1;", write_one="X\nY")


def test_a_part_stands_where_it_is_included(package: Path) -> None:
    queries = load(
        package,
        "-- part: one\n$1\n-- part: both\n-- include: one\nAND $2\n"
        "-- name: read_one\nSELECT\n  -- include: both\n-- name: write_one\n-- include: one\n",
    )

    assert queries == Queries(read_one="SELECT\n$1\nAND $2", write_one="$1")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-- name: read_one\nX\n", "no statement is named write_one"),
        (
            "-- name: read_one\nX\n-- name: write_one\nX\n-- name: more\nX\n",
            "no field is named more",
        ),
        ("-- name: read_one\nX\n-- name: read_one\nX\n-- name: write_one\nX", "is there twice"),
        ("-- name: read_one\n-- nothing\n-- name: write_one\nX", "read_one is empty"),
        ("-- name: read_one\n-- include: x\n-- part: x\nX", "no part named x above"),
        ("SELECT 1;\n-- name: read_one\nX\n-- name: write_one\nX", "above the first"),
    ],
)
def test_a_file_that_does_not_fit_is_told(package: Path, text: str, problem: str) -> None:
    with pytest.raises(QueryFileError, match=problem):
        load(package, text)


def test_texts_are_parted_by_spaces() -> None:
    assert [in_one_text(texts) for texts in ([], ["a"], ["a", "b-c"])] == ["", "a", "a b-c"]


@pytest.mark.parametrize("texts", [["a b"], ["a", "b c"], [" "]])
def test_a_space_in_a_text_is_refused_where_spaces_part_texts(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="a space"):
        in_one_text(texts)
