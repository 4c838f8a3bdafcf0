"""The kubeconfig: what is in it, who may read it, and what it does not overwrite."""

import stat
from base64 import b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from chassis.sensitive import Sensitive
from splitkeep.cli import run
from splitkeep.commands.kubeconfig import MARK, Access, render
from splitkeep.files import write_json
from splitkeep.issuer import ensure_issuer
from splitkeep.local.state import State, open_state

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
GATEWAY = "https://127.0.0.1:8080"
GRANT = "secret.securevalues:read=secret.securevalues:uid:pg-main"


@pytest.fixture
def words(tmp_path: Path) -> Iterator[list[str]]:
    """The command, on a state directory where a stack seems to run."""
    state = open_state(tmp_path / "state")
    state.make_directories()
    ensure_issuer(state.issuer_key)
    ca = tmp_path / "ca.pem"
    ca.write_text(PEM)
    running = {"gateway": GATEWAY, "vault": "", "ca": str(ca), "tokens": {}}
    write_json(state.description, running)
    with state.held():
        yield ["kubeconfig", "--state", str(state.directory)]


@pytest.fixture
def elsewhere(tmp_path: Path) -> list[str]:
    """The command, for a gateway that is not a local stack's."""
    (tmp_path / "their-ca.pem").write_text(PEM)
    (tmp_path / "their-token").write_text("a.b.c\n")
    return [
        "kubeconfig",
        *("--state", str(tmp_path)),
        *("--server", "https://secrets.example"),
        *("--ca", str(tmp_path / "their-ca.pem")),
        *("--token-file", str(tmp_path / "their-token")),
    ]


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(capsys.readouterr().out)
    return document


def claims_of(document: Mapping[str, Any]) -> dict[str, Any]:
    (user,) = document["users"]
    claims: dict[str, Any] = jwt.decode(
        user["user"]["token"], options={"verify_signature": False}
    )
    return claims


def test_it_has_the_gateway_its_certificate_the_namespace_and_a_token(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 0

    document = printed(capsys)
    (cluster,), (context,) = document["clusters"], document["contexts"]
    assert (document["apiVersion"], document["kind"]) == ("v1", "Config")
    assert cluster["cluster"]["server"] == f"{GATEWAY}/k8s"
    assert b64decode(cluster["cluster"]["certificate-authority-data"]).decode() == PEM
    assert context["context"] == {
        "cluster": cluster["name"],
        "user": document["users"][0]["name"],
        "namespace": "default",
    }
    assert document["current-context"] == context["name"] == "splitkeep"


def test_without_a_role_it_is_an_administrators_for_twelve_hours(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 0

    claims = claims_of(printed(capsys))
    assert (claims["roles"], claims["sub"]) == (["Admin"], "user:admin")
    assert (claims["namespace"], claims["exp"] - claims["iat"]) == ("default", 12 * 3600)


def test_a_token_with_a_grant_has_no_role_besides(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--grant", GRANT, "--ttl", "5m", "--subject", "user:ada"]) == 0

    claims = claims_of(printed(capsys))
    assert "roles" not in claims
    assert [grant["action"] for grant in claims["grants"]] == ["secret.securevalues:read"]
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("user:ada", 300)


@pytest.mark.parametrize(("wanted", "context"), [("org-2", "org-2"), ("*", "default")])
def test_the_namespace_is_the_tokens_and_the_contexts(
    words: list[str], capsys: pytest.CaptureFixture[str], wanted: str, context: str
) -> None:
    assert run([*words, "--namespace", wanted, "--context", "mine"]) == 0

    document = printed(capsys)
    assert claims_of(document)["namespace"] == wanted
    assert document["contexts"][0]["context"]["namespace"] == context
    assert document["current-context"] == "mine"


def test_a_file_is_its_owners_alone_and_the_token_is_not_printed(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kubeconfig"

    assert run([*words, "--output", str(file)]) == 0

    token = yaml.safe_load(file.read_text())["users"][0]["user"]["token"]
    output = capsys.readouterr()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (token in output.out + output.err, str(file) in output.out) == (False, True)


def test_a_file_that_it_made_is_made_anew(words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    assert run([*words, "--output", str(file)]) == 0

    assert run([*words, "--output", str(file), "--namespace", "org-2"]) == 0

    assert "namespace: org-2" in file.read_text()


def test_an_empty_file_is_filled(words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "made-by-mktemp"
    file.touch()

    assert run([*words, "--output", str(file)]) == 0

    assert file.read_bytes().startswith(MARK)


def test_somebody_elses_kubeconfig_stays(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config"
    file.write_text("apiVersion: v1\n")

    assert run([*words, "--output", str(file)]) == 1

    assert file.read_text() == "apiVersion: v1\n"
    assert f"--output {file} holds something else" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["link", "directory", "nowhere"])
def test_what_is_no_plain_file_in_a_directory_is_not_written(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    output = tmp_path / "output"
    if kind == "link":
        output.symlink_to(tmp_path / "target")
    elif kind == "directory":
        output.mkdir()
    else:
        output = tmp_path / "absent" / "output"

    assert run([*words, "--output", str(output)]) == 1

    assert f"--output {output}" in capsys.readouterr().err


def test_where_no_stack_runs_it_says_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["kubeconfig", "--state", str(tmp_path)]) == 1

    output = capsys.readouterr()
    assert output.out == ""
    assert f"no stack runs on {tmp_path}: start `splitkeep dev`" in output.err


def test_a_stack_whose_key_is_gone_is_told_in_words(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    State(Path(words[-1])).issuer_key.unlink()

    assert run(words) == 1

    assert "there is no issuer key" in capsys.readouterr().err


def test_a_token_that_would_never_hold_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--ttl", "0"]) == 1

    assert "lives longer than 0" in capsys.readouterr().err


def test_another_gateway_is_named_with_its_certificate_and_a_token(
    elsewhere: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(elsewhere) == 0

    document = printed(capsys)
    assert document["clusters"][0]["cluster"]["server"] == "https://secrets.example/k8s"
    assert document["users"][0]["user"]["token"] == "a.b.c"


def test_the_stacks_token_is_not_given_to_another_gateway(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--server", "https://secrets.example"]) == 1

    output = capsys.readouterr()
    assert output.out == ""
    assert "--server, --ca and --token-file go together" in output.err


def test_a_token_file_and_a_role_do_not_go_together(
    elsewhere: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*elsewhere, "--role", "Admin"]) == 1

    assert "--token-file has one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"),
    [("", "holds no token"), (None, "cannot be read"), ("ü", "holds no token")],
)
def test_a_token_file_without_a_token_is_told_by_its_name(
    elsewhere: list[str],
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    told: str,
) -> None:
    file = Path(elsewhere[-1])
    if content is None:
        file.unlink()
    else:
        file.write_text(content)

    assert run(elsewhere) == 1

    refusal = capsys.readouterr().err
    assert told in refusal
    assert str(file) in refusal


def test_what_holds_the_token_does_not_print_it() -> None:
    access = Access(server=GATEWAY, ca=b"", token=Sensitive("the-token"), namespace="default")

    assert "the-token" not in repr(access)
    assert b"the-token" in render(access, "splitkeep")
