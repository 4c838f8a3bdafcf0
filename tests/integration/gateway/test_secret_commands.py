"""`splitkeep secret …` and `keeper …` against a gateway over HTTPS."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from splitkeep.manage.app import run
from splitkeep.manage.failures import ExitCode
from tests.fakes.gateway.services import ADMIN, CREATOR, READER, WRITER
from tests.integration.gateway.conftest import Gateway
from tests.unit.chassis.logged import logging_kept

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUE = "correct horse battery staple"


class Terminal:
    """Runs commands on a context for the gateway; what they print and how they end."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    async def __call__(self, *words: str) -> int:
        self._capsys.readouterr()
        code = await asyncio.to_thread(run, words)
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def sign_in(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[str], None]:
    """Commands carry this token from now on."""

    def signed_in(token: str) -> None:
        contexts = {
            "current": "test",
            "contexts": {
                "test": {
                    "server": gateway.url,
                    "ca": str(gateway.ca),
                    "token_command": [sys.executable, "-c", f"print({token!r})"],
                }
            },
        }
        path = tmp_path / "contexts.json"
        path.write_text(json.dumps(contexts))
        path.chmod(0o600)
        monkeypatch.setenv("SPLITKEEP_CONFIG", str(path))

    return signed_in


@pytest.fixture
def terminal(
    sign_in: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> Iterator[Terminal]:
    sign_in(ADMIN)
    with logging_kept():  # the gateway's, which runs in this process
        yield Terminal(capsys)


def fill(gateway: Gateway, *names: str, **labels: str) -> None:
    for name in names:
        draft = SecureValueDraft(
            namespace="default", name=name, description="d", labels=labels, decrypters=["k6"]
        )
        gateway.store.put(draft, version=1)


@pytest.mark.parametrize(
    "content",
    [b"plain", b"with an end\n", b"\r\nof\tlines\r\n\r\n", "ünïcode \U0001f511".encode()],
    ids=["plain", "a line's end", "lines", "unicode"],
)
async def test_a_value_arrives_byte_for_byte(
    gateway: Gateway, terminal: Terminal, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "value"
    file.write_bytes(content)

    code = await terminal(
        *("secret", "create", "pg-main", "--description", "d", "--decrypter", "k6"),
        *("--label", "team=a", "--from-file", str(file), "-o", "json"),
    )

    assert code == ExitCode.DONE, terminal.err
    assert gateway.store.values["default", "pg-main"] == content
    made = json.loads(terminal.out)
    assert made["metadata"]["labels"] == {"team": "a"}
    assert made["spec"] == {"description": "d", "decrypters": ["k6"]}


@pytest.mark.parametrize(
    ("content", "kept"), [(b"v\n\n", b"v\n"), (b"v\r\n", b"v"), (b"v", b"v")]
)
async def test_one_line_break_is_stripped_if_that_is_asked_for(
    gateway: Gateway, terminal: Terminal, tmp_path: Path, content: bytes, kept: bytes
) -> None:
    file = tmp_path / "value"
    file.write_bytes(content)
    words = ("secret", "create", "a", "--description", "d", "--from-file", str(file))

    assert await terminal(*words, "--strip-newline") == ExitCode.DONE, terminal.err
    assert gateway.store.values["default", "a"] == kept


async def test_a_value_comes_from_the_environment(
    gateway: Gateway, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_PASSWORD", VALUE)

    code = await terminal(
        *("secret", "create", "a", "--description", "d", "--from-env", "PG_PASSWORD")
    )

    assert code == ExitCode.DONE, terminal.err
    assert gateway.store.values["default", "a"] == VALUE.encode()
    assert VALUE not in terminal.out + terminal.err


async def test_a_generated_value_is_saved_where_only_its_owner_reads_it(
    gateway: Gateway, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "generated"
    words = (
        *("secret", "create", "a", "--description", "d", "--generate", "40"),
        *("--alphabet", "hex", "--save-to", str(file)),
    )

    assert await terminal(*words) == ExitCode.DONE, terminal.err
    saved = file.read_text()
    assert gateway.store.values["default", "a"] == saved.encode()
    assert len(saved) == 40
    assert set(saved) <= set("0123456789abcdef")
    assert file.stat().st_mode & 0o777 == 0o600
    assert saved not in terminal.out + terminal.err

    assert await terminal(*words) == ExitCode.FAILED
    assert "File exists" in terminal.err
    assert file.read_text() == saved


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("--from-file", "/nowhere/at-all"), "--from-file /nowhere/at-all: No such file"),
        (("--from-env", "NOT_THERE"), "--from-env NOT_THERE: there is no such variable"),
        (("--generate", "24577"), "--generate takes 1 to 24576 characters"),
        (("--generate", "8", "--from-env", "HOME"), "exclude each other"),
        (("--save-to", "x"), "--save-to goes with --generate"),
        (("--label", "team", "--generate", "8"), "--label team: must be NAME=VALUE"),
    ],
)
async def test_a_value_that_cannot_be_had_is_wrong_usage(
    gateway: Gateway, terminal: Terminal, words: tuple[str, ...], rule: str
) -> None:
    code = await terminal("secret", "create", "a", "--description", "d", *words)

    assert (code, gateway.store.values) == (ExitCode.USAGE, {})
    assert rule in terminal.err


async def test_bytes_that_are_not_text_are_refused_with_the_reason(
    gateway: Gateway, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "value"
    file.write_bytes(b"abc\xff")
    words = ("secret", "create", "a", "--description", "d", "--from-file", str(file))

    assert await terminal(*words) == ExitCode.USAGE
    assert "the value is not UTF-8 (byte 4)" in terminal.err
    assert gateway.store.values == {}


async def test_without_a_terminal_nobody_is_asked_for_a_value(
    gateway: Gateway, terminal: Terminal
) -> None:
    assert await terminal("secret", "create", "a", "--description", "d") == ExitCode.USAGE
    assert "there is no terminal to ask for the value" in terminal.err
    assert gateway.store.values == {}


async def test_a_refusal_names_each_field_and_its_rule(
    gateway: Gateway, terminal: Terminal
) -> None:
    code = await terminal(
        *("secret", "create", "Not_A_Name", "--description", "d", "--generate", "8")
    )

    assert code == ExitCode.FAILED
    assert "  metadata.name: " in terminal.err
    assert gateway.store.values == {}


async def test_a_list_is_printed_in_every_form(gateway: Gateway, terminal: Terminal) -> None:
    fill(gateway, "a-db", "b-db", team="x")
    fill(gateway, "other")
    words = ("secret", "list", "--search", "db", "-l", "team=x", "--sort-by", "-name")

    forms = {}
    for form in ("table", "wide", "json", "yaml", "name"):
        assert await terminal(*words, "-o", form) == ExitCode.DONE, terminal.err
        forms[form] = terminal.out

    assert forms["name"] == "b-db\na-db\n"
    lines = [line.split() for line in forms["table"].splitlines()]
    assert lines[0] == ["NAME", "DESCRIPTION", "DECRYPTERS", "LABELS", "VERSION", "MODIFIED"]
    assert [line[:3] for line in lines[1:]] == [["b-db", "d", "k6"], ["a-db", "d", "k6"]]
    assert "UID" in forms["wide"]
    listed = json.loads(forms["json"])
    assert listed["kind"] == "SecureValueList"
    assert [item["metadata"]["name"] for item in listed["items"]] == ["b-db", "a-db"]
    assert yaml.safe_load(forms["yaml"]) == listed


async def test_a_long_list_is_read_page_by_page_and_no_further_than_its_limit(
    gateway: Gateway, terminal: Terminal
) -> None:
    names = [f"n{number:04}" for number in range(1_100)]
    fill(gateway, *names)

    assert await terminal("secret", "list", "-o", "name") == ExitCode.DONE
    assert terminal.out.split() == names
    assert await terminal("secret", "list", "--limit", "3", "-o", "name") == ExitCode.DONE
    assert terminal.out.split() == names[:3]


async def test_what_the_server_sent_moves_no_cursor(
    gateway: Gateway, terminal: Terminal
) -> None:
    draft = SecureValueDraft(
        namespace="default", name="a", description="\x1b[2J[red]x[/red]\u202ey", decrypters=[]
    )
    gateway.store.put(draft, version=1)

    for form in ("table", "json", "yaml"):
        assert await terminal("secret", "list", "-o", form) == ExitCode.DONE
        assert "\x1b" not in terminal.out
        assert "\u202e" not in terminal.out
    assert await terminal("secret", "get", "a") == ExitCode.DONE
    assert "\\x1b[2J[red]x[/red]\\u202ey" in terminal.out


async def test_an_edit_in_the_editor_is_on_top_of_what_was_shown(
    gateway: Gateway, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(gateway, "a", team="x")
    seen = tmp_path / "seen"
    monkeypatch.setenv("EDITOR", an_editor(tmp_path, seen, "description: d", "description: e"))

    assert await terminal("secret", "edit", "a") == ExitCode.DONE, terminal.err
    after = gateway.store.objects["default", "a"]
    assert (after.description, dict(after.labels), list(after.decrypters)) == (
        "e",
        {"team": "x"},
        ["k6"],
    )
    assert "value" not in yaml.safe_load(seen.read_text())["spec"]


async def test_an_edit_writes_nothing_over_somebody_elses(
    gateway: Gateway, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(gateway, "a")
    monkeypatch.setenv("EDITOR", an_editor(tmp_path, tmp_path / "seen", "n: d", "n: mine"))
    gateway.store.interruptions = [lambda: fill(gateway, "a", other="1")]

    assert await terminal("secret", "edit", "a") == ExitCode.CONFLICT
    assert terminal.err.splitlines()[:-1] == [
        "splitkeep: your changes, which are not written:",
        "  -  description: d",
        "  +  description: mine",
        "splitkeep: changed by somebody else meanwhile:",
        "  +  labels:",
        "  +    other: '1'",
    ]
    assert "a was changed by somebody else while you edited it" in terminal.err
    assert dict(gateway.store.objects["default", "a"].labels) == {"other": "1"}


async def test_an_edit_that_changes_nothing_writes_nothing(
    gateway: Gateway, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(gateway, "a")
    monkeypatch.setenv("EDITOR", an_editor(tmp_path, tmp_path / "seen", "zzz", "zzz"))

    assert await terminal("secret", "edit", "a") == ExitCode.FAILED
    assert "nothing is changed" in terminal.err
    assert gateway.store.resource_version == 1


async def test_a_new_value_and_a_new_description_need_no_editor(
    gateway: Gateway, terminal: Terminal
) -> None:
    fill(gateway, "a")

    words = ("secret", "edit", "a")
    assert await terminal(*words, "--generate", "20", "--description", "e") == ExitCode.DONE
    after = gateway.store.objects["default", "a"]
    assert (after.version, after.description, list(after.decrypters)) == (2, "e", ["k6"])
    assert len(gateway.store.values["default", "a"]) == 20
    assert await terminal(*words, "--description", "f", "-o", "name") == ExitCode.DONE
    assert terminal.out == "a\n"


async def test_labels_and_services_are_changed_one_by_one_or_for_all_that_are_selected(
    gateway: Gateway, terminal: Terminal
) -> None:
    fill(gateway, "a", "b", team="x", old="1")
    fill(gateway, "c")

    assert await terminal("secret", "label", "a", "c", "stage=prod", "old-") == ExitCode.DONE
    assert terminal.out == "a changed\nc changed\n"
    words = ("secret", "decrypters", "add", "-l", "team=x")
    assert await terminal(*words, "sm", "k7") == ExitCode.DONE
    assert await terminal("secret", "decrypters", "remove", "b", "k6") == ExitCode.DONE

    objects = {name: gateway.store.objects["default", name] for name in "abc"}
    assert {name: dict(item.labels) for name, item in objects.items()} == {
        "a": {"team": "x", "stage": "prod"},
        "b": {"team": "x", "old": "1"},
        "c": {"stage": "prod"},
    }
    assert {name: list(item.decrypters) for name, item in objects.items()} == {
        "a": ["k6", "sm", "k7"],
        "b": ["sm", "k7"],
        "c": ["k6"],
    }


async def test_whoever_may_not_read_can_create_and_edit_what_he_can_name(
    gateway: Gateway, terminal: Terminal, sign_in: Callable[[str], None]
) -> None:
    sign_in(CREATOR)
    made = await terminal("secret", "create", "a", "--description", "d", "--generate", "8")
    sign_in(WRITER)
    labelled = await terminal("secret", "label", "a", "team=x")
    described = await terminal("secret", "edit", "a", "--description", "e")
    listed = await terminal("secret", "list")

    assert (made, labelled, described) == (ExitCode.DONE,) * 3, terminal.err
    assert listed == ExitCode.DENIED
    after = gateway.store.objects["default", "a"]
    assert (after.description, dict(after.labels)) == ("e", {"team": "x"})


async def test_deletes_tell_a_result_for_each_and_go_on_past_a_failure(
    gateway: Gateway, terminal: Terminal
) -> None:
    fill(gateway, "a", "b")

    code = await terminal("secret", "delete", "a", "absent", "b", "--yes")

    assert code == ExitCode.NOT_FOUND
    assert terminal.out == "a deleted\nb deleted\n"
    assert terminal.err.startswith("splitkeep: absent: ")
    assert gateway.store.objects == {}


async def test_nothing_is_deleted_without_a_word(gateway: Gateway, terminal: Terminal) -> None:
    fill(gateway, "a")

    asked = await terminal("secret", "delete", "a")
    nothing = await terminal("secret", "delete", "--yes")
    both = await terminal("secret", "delete", "a", "--all", "--yes")
    dry = await terminal("secret", "delete", "a", "--dry-run")

    assert (asked, nothing, both, dry) == (*(ExitCode.USAGE,) * 3, ExitCode.DONE)
    assert terminal.out == "a would be deleted\n"
    assert list(gateway.store.objects) == [("default", "a")]


async def test_keepers_are_listed_created_activated_and_deleted(
    gateway: Gateway, terminal: Terminal
) -> None:
    words = (
        *("keeper", "create", "shop", "--description", "d", "--aws-region", "eu-west-1"),
        *("--aws-external-id", "shop", "--aws-role-arn", "arn:aws:iam::123456789012:role/r"),
    )

    assert await terminal(*words) == ExitCode.DONE, terminal.err
    assert await terminal("keeper", "activate", "shop", "--yes") == ExitCode.DONE
    assert await terminal("keeper", "list") == ExitCode.DONE
    assert terminal.out.splitlines()[1].split()[:3] == ["shop", "aws", "yes"]
    assert await terminal("keeper", "activate", "system", "--yes") == ExitCode.DONE
    assert await terminal("keeper", "get", "shop", "-o", "json") == ExitCode.DONE
    assert json.loads(terminal.out)["status"]["active"] is False
    assert await terminal("keeper", "delete", "shop", "--yes") == ExitCode.DONE
    assert gateway.store.keepers == {}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("secret", "get", "absent"), ExitCode.NOT_FOUND),
        (("secret", "get", ""), ExitCode.USAGE),
        (("secret", "get"), ExitCode.USAGE),
        (("secret", "list", "--sort-by", "size"), ExitCode.USAGE),
        (("secret", "nothing"), ExitCode.USAGE),
        (("secret", "list", "-l", "a in ("), ExitCode.FAILED),
        (("secret", "list", "--context", "absent"), ExitCode.USAGE),
        (("secret", "create", "a", "--description", "d", "--generate", "8"), ExitCode.CONFLICT),
    ],
)
async def test_the_exit_code_says_what_went_wrong(
    gateway: Gateway, terminal: Terminal, words: tuple[str, ...], code: ExitCode
) -> None:
    fill(gateway, "a")

    assert await terminal(*words) == code
    assert terminal.err
    assert terminal.out == ""


async def test_a_refused_token_and_a_missing_right_are_denied(
    terminal: Terminal, sign_in: Callable[[str], None]
) -> None:
    sign_in("junk")
    assert await terminal("secret", "list") == ExitCode.DENIED
    sign_in(READER)
    words = ("secret", "create", "a", "--description", "d", "--generate", "8")
    assert await terminal(*words) == ExitCode.DENIED


async def test_a_server_that_is_away_is_unavailable(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "away.json"
    context = {"server": "https://localhost:1", "token_command": ["echo", "t"]}
    path.write_text(json.dumps({"current": "away", "contexts": {"away": context}}))
    path.chmod(0o600)
    monkeypatch.setenv("SPLITKEEP_CONFIG", str(path))

    assert await terminal("secret", "list") == ExitCode.UNAVAILABLE
    assert "https://localhost:1 cannot be reached" in terminal.err


def an_editor(directory: Path, seen: Path, old: str, new: str) -> str:
    """A program that keeps what it was shown, and replaces one text by another."""
    script = directory / "editor"
    script.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys, time\n"
        "file = pathlib.Path(sys.argv[1])\n"
        f"pathlib.Path({str(seen)!r}).write_text(file.read_text())\n"
        f"changed = file.read_text().replace({old!r}, {new!r})\n"
        "if changed != file.read_text():\n"
        "    time.sleep(1.1)  # click looks at the file's time\n"
        "    file.write_text(changed)\n"
    )
    script.chmod(0o700)
    return os.fspath(script)
