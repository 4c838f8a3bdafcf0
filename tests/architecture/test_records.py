"""Records are written whatever the level: decisions, writes, refusals, what was erased."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for package in ("chassis", "metadata_svc", "vault_svc", "gateway")
    for path in sorted((ROOT / package).rglob("*.py"))
]
# Said at INFO and below, and none of them tells who did what. A new line is a record, or is
# entered here by somebody who has thought about it.
NO_RECORDS = {
    "check passes again",
    "connection refused",
    "handshake failed",
    "operations request broken off",
    "request",  # of a read that was answered; writes and refusals are records
    "watch ended",
    "watch started",
    "worker replaced",
    "worker started",
}
RECORDS = {
    "call refused",
    "certificate renewed",
    "issuers renewed",
    "migrated",
    "permission denied",
    "ready",
    "request",
    "swept",
    "trimmed",
    "values will be erased",
    "verified",
    "watch refused",
}


def events(tree: ast.AST, *functions: str) -> Iterator[str]:
    """The first arguments of the calls of these functions or methods."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = ast.unparse(node.func)
        said = node.args[0]
        if any(function in name for function in functions) and isinstance(said, ast.Constant):
            yield str(said.value)


def limited(tree: ast.AST, *, records: bool) -> Iterator[str]:
    """The events of LineLimits that are records, or of others below WARNING."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or ast.unparse(node.func) != "LineLimit":
            continue
        event, *more = node.args
        given = {word.arg: ast.unparse(word.value) for word in node.keywords}
        is_record = given.get("is_record", "False")
        levels = {ast.unparse(level) for level in more} & {"LogLevel.INFO", "LogLevel.DEBUG"}
        if isinstance(event, ast.Constant) and (
            is_record == "True" if records else levels and is_record == "False"
        ):
            yield str(event.value)


def everywhere(*functions: str) -> set[str]:
    return {
        event for path in SOURCES for event in events(ast.parse(path.read_text()), *functions)
    }


def limited_everywhere(*, records: bool) -> set[str]:
    return {
        event
        for path in SOURCES
        for event in limited(ast.parse(path.read_text()), records=records)
    }


def test_every_line_below_warning_is_a_record_or_known_to_be_none() -> None:
    said = everywhere("_log.info", "get_logger().info", ").info")

    assert (said | limited_everywhere(records=False)) - NO_RECORDS == set()


@pytest.mark.parametrize("event", sorted(RECORDS))
def test_what_an_operator_looks_up_is_a_record(event: str) -> None:
    assert event in everywhere("record") | limited_everywhere(records=True)
