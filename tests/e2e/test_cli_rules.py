"""The rules of the services as whoever types commands meets them, at a running stack."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from splitkeep.manage.app import run
from splitkeep.manage.failures import ExitCode
from tests.e2e.stack import MARK, Stack, a_canary

LONGEST_VALUE = 24_576  # bytes

Create = Callable[[str, bytes], int]


@pytest.fixture
def sign_in(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., None]:
    """Commands carry a new token with these rights from now on."""

    def signed_in(*rights: str) -> None:
        token = tmp_path / "token"
        token.write_text(stack.token(*rights))
        context = {
            "server": stack.info["gateway"],
            "ca": stack.info["ca"],
            "token_file": str(token),
        }
        path = tmp_path / "contexts.json"
        path.write_text(json.dumps({"current": "it", "contexts": {"it": context}}))
        path.chmod(0o600)
        monkeypatch.setenv("SPLITKEEP_CONFIG", str(path))

    signed_in("--role", "Admin")
    return signed_in


@pytest.fixture
def create(sign_in: Callable[..., None], tmp_path: Path) -> Create:
    """Creates a secret with what a file holds; answers the exit code."""

    def created(name: str, content: bytes) -> int:
        file = tmp_path / "value"
        file.write_bytes(content)
        words = ("secret", "create", name, "--description", "d", "--decrypter", "k6-cloud")
        return run((*words, "--from-file", str(file)))

    return created


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("cli-nul", "{}\0end"),
        ("cli-crlf", "{}\r\nlines\r\n"),
        ("cli-newline", "{}\n"),
        ("cli-no-newline", "{}"),
        ("cli-bom", "\ufeff{}"),
    ],
)
def test_a_file_is_decrypted_byte_for_byte(
    stack: Stack, create: Create, capsys: pytest.CaptureFixture[str], name: str, form: str
) -> None:
    value = form.format(a_canary())

    assert create(name, value.encode()) == ExitCode.DONE, capsys.readouterr().err
    assert stack.decrypt_here([name]) == {name: {"value": value}}
    assert MARK not in "".join(capsys.readouterr())


def test_the_longest_value_is_taken_and_one_byte_more_is_refused_by_its_field(
    stack: Stack, create: Create, capsys: pytest.CaptureFixture[str]
) -> None:
    value = a_canary().ljust(LONGEST_VALUE, "x")

    assert create("cli-longest", value.encode()) == ExitCode.DONE
    assert stack.decrypt_here(["cli-longest"])["cli-longest"] == {"value": value}
    assert create("cli-longer", f"{value}x".encode()) == ExitCode.FAILED
    said = capsys.readouterr().err
    assert "  spec.value: " in said
    assert "24576" in said.replace(" ", "").replace(",", "")
    assert MARK not in said
    assert run(("secret", "get", "cli-longer")) == ExitCode.NOT_FOUND


def test_a_name_that_begins_with_a_dash_is_refused_by_its_field(
    create: Create, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("secret", "create", "--description", "d", "--generate", "8", "--", "-cli")

    assert run(words) == ExitCode.FAILED
    assert "  metadata.name: " in capsys.readouterr().err


def test_an_edit_that_is_refused_is_not_lost(
    create: Create,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/- k6-cloud/- \'*\'/" "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(editor))
    assert create("cli-refused", a_canary().encode()) == ExitCode.DONE

    assert run(("secret", "edit", "cli-refused")) == ExitCode.FAILED
    said = capsys.readouterr().err
    assert "splitkeep: your changes, which are not written:" in said
    assert "  +  - '*'" in said.splitlines()
    assert "  spec.decrypters" in said


@pytest.mark.parametrize(
    ("words", "permission"),
    [
        (("list",), "secret.securevalues:read"),
        (("get", "cli-denied"), "secret.securevalues:read"),
        (
            ("create", "cli-denied", "--description", "d", "--generate", "8"),
            "secret.securevalues:create",
        ),
        (("label", "cli-denied", "a=b"), "secret.securevalues:write"),
        (("delete", "cli-denied", "--yes"), "secret.securevalues:delete"),
    ],
)
def test_a_refusal_names_the_permission_that_is_missing(
    sign_in: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    permission: str,
) -> None:
    sign_in("--grant", "secret.keepers:read=secret.keepers:*")

    assert run(("secret", *words)) == ExitCode.DENIED
    assert permission in capsys.readouterr().err
