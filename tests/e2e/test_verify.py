"""One database is restored alone: the documented commands find what does not fit any more."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import MARK, ROOT, Stack, a_canary, execute
from tests.e2e.test_canary import binaries

NO_SWEEP = {
    "SPLITKEEP_VAULT_RECOVERY_WINDOW_SECONDS": "86400",
    "SPLITKEEP_VAULT_SWEEP_INTERVAL_SECONDS": "3600",
    "SPLITKEEP_VAULT_FULL_SWEEP_INTERVAL_SECONDS": "86400",
}
COLUMNS = {
    "sealed_values": ("sealed_value", "wrapped_value_key"),
    "data_keys": ("wrapped_key",),
}


@dataclass
class Verified:
    """What the documented commands answered."""

    code: int
    reasons: dict[str, str]  # by name, or by state where there is none
    counts: dict[str, Any]


@dataclass
class Operator:
    """Somebody with a shell on either service's host."""

    stack: Stack
    folder: Path

    def run(self, command: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """A line of the documentation, with the settings of the one service that it names."""
        service = "metadata" if "metadata_svc" in command else "vault"
        settings = {"DSN": self.stack.info["dsn"][service]}
        if service == "vault":
            settings["KEK_FILE"] = str(self.stack.directory / "kek.json")
        prefix = f"SPLITKEEP_{service.upper()}_"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SPLITKEEP_")}
        return subprocess.run(
            ["bash", "-c", command.replace("python -m", f"{sys.executable} -m", 1)],
            check=False,
            cwd=self.folder,
            env=clean
            | {"PYTHONPATH": str(ROOT)}
            | {prefix + name: text for name, text in (settings | changed).items()},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def verify(self) -> Verified:
        listing, verifying, naming = documented_commands()
        assert self.run(listing).returncode == 0
        verified = self.run(verifying)
        assert verified.returncode in {0, 1}, verified.stderr
        found = (self.folder / "broken.jsonl").read_text()
        assert MARK not in found + verified.stderr
        named = self.run(naming)
        assert named.returncode == 0, named.stderr
        broken = [json.loads(line) for line in found.splitlines()]
        names = [json.loads(line) for line in named.stdout.splitlines()]
        assert [each["valueId"] for each in broken] == [each["valueId"] for each in names]
        return Verified(
            verified.returncode,
            {
                name.get("name", name["state"]): each["reason"]
                for name, each in zip(names, broken, strict=True)
            },
            json.loads(verified.stderr.splitlines()[-1]),
        )

    def dump(self, database: str, name: str) -> Path:
        path = self.folder / f"{database}-{name}.dump"
        dsn = self.stack.info["dsn"][database]
        command = [
            binaries() / "pg_dump",
            "--format",
            "custom",
            "--file",
            path,
            "--dbname",
            dsn,
        ]
        subprocess.run(command, check=True)
        return path

    def restore(self, database: str, dump: Path) -> None:
        dsn = self.stack.info["dsn"][database]
        options = ("--clean", "--if-exists", "--single-transaction", "--no-owner")
        command = [binaries() / "pg_restore", *options, "--dbname", dsn, dump]
        subprocess.run(command, check=True)


def documented_commands() -> list[str]:
    """Those of docs/operations.md, Restoring one database alone."""
    page = (ROOT / "docs" / "operations.md").read_text()
    section = page.partition("### Restoring one database alone")[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1].splitlines()


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("verify")
    with Stack(folder / "state", **NO_SWEEP) as stack:
        yield Operator(stack, folder)


def test_what_a_restore_of_one_database_breaks_is_found_and_named(operator: Operator) -> None:
    stack = operator.stack
    for name in ("kept", "replaced"):
        stack.create(name, a_canary())
    older = {name: operator.dump(name, "older") for name in ("metadata", "vault")}
    stack.create("new", a_canary())
    stack.put("replaced", a_canary())
    newer = {name: operator.dump(name, "newer") for name in ("metadata", "vault")}

    whole = operator.verify()
    operator.restore("vault", older["vault"])
    vault_rolled_back = operator.verify()
    operator.restore("vault", newer["vault"])
    operator.restore("metadata", older["metadata"])
    metadata_rolled_back = operator.verify()
    operator.restore("metadata", newer["metadata"])
    whole_again = operator.verify()

    assert (whole.code, whole.reasons) == (0, {})
    assert (whole.counts["opened_count"], whole.counts["released_count"]) == (3, 1)
    assert (vault_rolled_back.code, vault_rolled_back.reasons) == (
        1,
        {"new": "missing", "replaced": "missing"},
    )
    assert vault_rolled_back.counts["broken_count"] == 2
    assert (metadata_rolled_back.code, metadata_rolled_back.reasons) == (
        1,
        {"unknown": "unknown to metadata"},
    )
    assert metadata_rolled_back.counts["unknown_to_metadata_count"] == 2
    assert (whole_again.code, whole_again.reasons) == (0, {})


def test_a_flipped_byte_in_any_column_is_found(operator: Operator) -> None:
    operator.stack.create("flipped", a_canary())
    for table, columns in COLUMNS.items():
        for column in columns:
            flip(operator.stack, table, column)
            found = operator.verify()
            flip(operator.stack, table, column)

            assert found.code == 1
            assert "flipped" in found.reasons
    assert operator.verify().code == 0


def flip(stack: Stack, table: str, column: str) -> None:
    flipped = f"set_byte({column}, 20, get_byte({column}, 20) # 1)"
    execute(stack.info["dsn"]["vault"], f"UPDATE {table} SET {column} = {flipped}")


def test_what_keeps_a_verification_from_an_answer_is_exit_code_2(operator: Operator) -> None:
    listing, verifying, _ = documented_commands()
    assert operator.run(listing).returncode == 0
    cut_off = "head -c -20 values.jsonl > cut.jsonl; "
    nobody = "postgresql://nobody@127.0.0.1:1/vault"
    wrong = {
        "a list that is cut off": operator.run(cut_off + verifying.replace("values.", "cut.")),
        "no database": operator.run(verifying, DSN=nobody),
        "no KEKs": operator.run(verifying, KEK_FILE="absent.json"),
        "no list": operator.run("python -m vault_svc verify"),
        "no metadata": operator.run(listing, DSN=nobody),
    }

    assert {what: done.returncode for what, done in wrong.items()} == dict.fromkeys(wrong, 2)


def test_the_list_may_come_through_a_pipe(operator: Operator) -> None:
    listing = operator.run("python -m metadata_svc values").stdout

    done = operator.run(f"python -m vault_svc verify --names - <<'END'\n{listing}END")

    assert done.returncode == 0, done.stderr
