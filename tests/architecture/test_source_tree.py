"""The tree is still the design: sizes, places and words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("chassis", "metadata_svc", "vault_svc", "gateway", "splitkeep")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
STATEMENTS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.sql"))
DRAWERS = {"utils", "helpers", "common", "misc", "base", "manager", "shared"}
DOMAIN_WORDS = (
    "secure value",
    "secure_value",
    "securevalue",
    "keeper",
    "data key",
    "data_key",
    "decrypter",
)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_module_is_longer_than_a_reader_holds(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_function_is_longer_than_a_screen(path: Path) -> None:
    too_long = [name for name, lines in functions(path) if lines > 50]

    assert too_long == []


def test_half_of_all_functions_are_under_twelve_lines() -> None:
    lengths = sorted(lines for path in SOURCES for _, lines in functions(path))

    assert lengths[len(lengths) // 2] < 12


@pytest.mark.parametrize("path", sorted((ROOT / "chassis").rglob("*.py")), ids=relative)
def test_the_chassis_holds_no_word_of_this_domain(path: Path) -> None:
    text = path.read_text().lower()

    assert [word for word in DOMAIN_WORDS if word in text] == []


def test_there_is_no_drawer() -> None:
    assert [
        relative(path)
        for path in SOURCES
        if path.stem in DRAWERS or path.parent.name in DRAWERS
    ] == []


def test_packages_do_nothing_at_import() -> None:
    assert [
        relative(p) for p in SOURCES if p.name == "__init__.py" and p.read_text().strip()
    ] == []


def test_both_services_have_the_same_names_in_the_same_places() -> None:
    roles = {
        "__main__",
        "assembly",
        "config",
        "ports",
        "worker",
        "domain",
        "use_cases",
        "grpc_api",
        "postgres",
    }

    assert {
        "metadata_svc": roles - names("metadata_svc"),
        "vault_svc": roles - names("vault_svc"),
    } == {
        "metadata_svc": set(),
        "vault_svc": set(),
    }


@pytest.mark.parametrize("path", STATEMENTS, ids=relative)
def test_correctness_rests_on_nothing_that_one_postgres_alone_has(path: Path) -> None:
    """The schema must run on standbys and on a distributed engine: rows and keys only."""
    banned = (
        r"\b(serial|bigserial|nextval|sequence|pg_(?:try_)?advisory\w*"
        r"|notify|listen|xmin|ctid|set_config)\b"
    )
    statements = re.sub(r"--[^\n]*", "", path.read_text()).lower()

    assert re.findall(banned, statements) == []


def test_a_statement_that_writes_commits_where_nothing_cuts_it_short() -> None:
    """`fetch` and its like can be cancelled while a standby is waited for; `write` cannot."""
    unguarded = [
        f"{relative(path)}: {name}"
        for path in SOURCES
        if path.parent.name == "postgres"
        for name in statements_given_to(path, {"fetch", "fetchrow", "execute"})
        if writes(path.parent, name)
    ]

    assert unguarded == []


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*_svc/postgres/migrations/*.sql")), ids=relative
)
def test_every_primary_key_of_a_namespaced_table_starts_with_the_namespace(path: Path) -> None:
    text = path.read_text().lower()
    tables = re.findall(r"create table (\w+)\s*\((.*?)\n\)", text, re.DOTALL)
    keys_added = re.findall(r"alter table (\w+) add (primary key \([^)]*\))", text)

    astray = [
        name
        for name, body in tables
        if "namespace" in body
        and not re.search(
            r"(primary key \(namespace\b|namespace\s+text[^,\n]*primary key)",
            body + dict(keys_added).get(name, ""),
        )
    ]

    assert astray == []


# Towards its own database a service does what the DSN says (`sslmode`): docs/threat-model.md.
AS_THE_DSN_SAYS = ROOT / "chassis" / "database_tls.py"


@pytest.mark.parametrize("path", [p for p in SOURCES if p != AS_THE_DSN_SAYS], ids=relative)
def test_nothing_switches_verification_off(path: Path) -> None:
    switches = (
        r"insecure_channel|insecure_port|verify\s*=\s*False|verify_signature"
        r"|CERT_NONE|skip_verify|check_hostname\s*=\s*False"
    )

    assert re.findall(switches, path.read_text()) == []


def statements_given_to(path: Path, methods: set[str]) -> Iterator[str]:
    """The names of the statements that a Database is asked to run by one of the methods."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        asked, first = node.func, node.args[0] if node.args else None
        on_database = ast.unparse(asked.value).endswith("database")
        if asked.attr in methods and on_database and isinstance(first, ast.Attribute):
            yield first.attr


def writes(folder: Path, name: str) -> bool:
    """Whether the statement of this name changes a row or locks one."""
    text = "".join(path.read_text() for path in folder.glob("*.sql"))
    section = re.compile(rf"^-- name: {name}$(.*?)(?=^-- name:|\Z)", re.MULTILINE | re.DOTALL)
    found = section.search(text)
    if found is None:
        return False  # chosen among several; those that the pages and changes have only read
    statement = re.sub(r"--[^\n]*", "", found[1])
    return bool(re.search(r"\b(INSERT|UPDATE|DELETE|FOR (UPDATE|SHARE))\b", statement))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def names(package: str) -> set[str]:
    present = {path.name for path in (ROOT / package).iterdir()}
    return present | {path.removesuffix(".py") for path in present}
