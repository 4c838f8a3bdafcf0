"""What the commands for secrets make of answers, streams and signals that are not as usual."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from splitkeep.environment import INTERRUPTED
from splitkeep.manage.app import run
from splitkeep.manage.failures import ExitCode

ROOT = Path(__file__).resolve().parents[3]
VALUE = "correct horse battery staple"
SECRET = {
    "kind": "SecureValue",
    "metadata": {"name": "a", "uid": "u", "resourceVersion": "1"},
    "spec": {"description": "d", "decrypters": []},
    "status": {"version": 1, "keeper": "system"},
}


@dataclass
class Server:
    """Answers everything alike; `lost` answers are not sent at all."""

    status: int = 200
    body: bytes = json.dumps(SECRET).encode()
    lost: int = 0
    held: threading.Event | None = None
    arrived: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.requests.append((self.command, self.path, dict(self.headers)))
            server.arrived.set()
            if server.held is not None:
                server.held.wait(30)
            if server.lost:
                server.lost -= 1
                return
            self.send_response(server.status)
            self.send_header("Content-Length", str(len(server.body)))
            self.end_headers()
            self.wfile.write(server.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  # theirs

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name
            pass

    return Handler


class Listening(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was interrupted is gone before its answer."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """One that the current context names; its token command keeps its own environment."""
    served = Server()
    listening = Listening(("127.0.0.1", 0), handler(served))
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
    thread.start()
    command = tmp_path / "token"
    command.write_text(f"#!/bin/sh\nenv > '{tmp_path}/environment'\necho token\n")
    command.chmod(0o700)
    context = {
        "server": f"http://127.0.0.1:{listening.server_port}",
        "token_command": [str(command)],
    }
    file = tmp_path / "contexts.json"
    file.write_text(json.dumps({"current": "it", "contexts": {"it": context}}))
    file.chmod(0o600)
    monkeypatch.setenv("SPLITKEEP_CONFIG", str(file))
    try:
        yield served
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


COMMANDS = [
    ("secret", "list"),
    ("secret", "get", "a"),
    ("secret", "create", "a", "--description", "d", "--generate", "8"),
    ("secret", "label", "a", "x=y"),
    ("secret", "delete", "a", "--yes"),
    ("keeper", "activate", "system", "--yes"),
    ("whoami",),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"[]", b"", b'{"items": []}'])
def test_an_answer_that_is_no_gateways_is_no_success(
    server: Server, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], body: bytes
) -> None:
    server.body = body

    assert run(words) == ExitCode.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert "answers, but not as a gateway does: check the address" in err


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (302, b"", ExitCode.FAILED, "the server answered 302"),
        (401, b"", ExitCode.DENIED, "the server answered 401"),
        (403, b"<html>", ExitCode.DENIED, "the server answered 403"),
        (404, b"", ExitCode.NOT_FOUND, "the server answered 404"),
        (409, b'{"message": "m"}', ExitCode.CONFLICT, "m"),
        (410, b"", ExitCode.CONFLICT, "the server answered 410"),
        (429, b"", ExitCode.UNAVAILABLE, "the server answered 429"),
        (500, b'{"details": "d"}', ExitCode.FAILED, "the server answered 500"),
        (502, b"", ExitCode.UNAVAILABLE, "the server answered 502"),
        (503, b'{"details": {"causes": [1]}}', ExitCode.UNAVAILABLE, "answered 503"),
        (504, b"", ExitCode.UNAVAILABLE, "the server answered 504"),
        (520, b"", ExitCode.FAILED, "the server answered 520"),
    ],
)
def test_the_exit_code_follows_the_status(
    server: Server,
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: bytes,
    code: ExitCode,
    said: str,
) -> None:
    server.status, server.body = status, body

    assert run(("secret", "get", "a")) == code
    assert said in capsys.readouterr().err


def test_a_create_whose_answer_is_lost_is_sent_again_as_the_same(server: Server) -> None:
    server.lost = 1

    assert run(COMMANDS[2]) == ExitCode.DONE
    keys = [headers["Idempotency-Key"] for _, _, headers in server.requests]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_delete_whose_answer_is_lost_is_not_sent_again(server: Server) -> None:
    server.lost = 1

    assert run(COMMANDS[4]) == ExitCode.UNAVAILABLE
    assert len(server.requests) == 1


def test_a_name_that_begins_with_a_dash_is_no_option_after_two_dashes(server: Server) -> None:
    assert run(("secret", "get", "-a")) == ExitCode.USAGE
    assert run(("secret", "get", "--", "-a")) == ExitCode.DONE
    assert [path.rsplit("/", 1)[1] for _, path, _ in server.requests] == ["-a"]


@pytest.mark.parametrize(
    "words", [("secret", "create", "a", "--description", "d"), ("secret", "edit", "a")]
)
def test_the_token_command_does_not_inherit_the_value(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PG_PASSWORD", VALUE)

    assert run((*words, "--from-env", "PG_PASSWORD")) == ExitCode.DONE
    inherited = (tmp_path / "environment").read_text()
    assert "SPLITKEEP_CONFIG=" in inherited
    assert "PG_PASSWORD" not in inherited
    assert VALUE not in inherited


def splitkeep(*words: str, **started: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "splitkeep", *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        start_new_session=True,
        **started,
    )


@pytest.mark.parametrize("form", ["table", "json", "yaml", "name"])
def test_a_reader_who_goes_is_not_complained_of(server: Server, form: str) -> None:
    there, here = os.pipe()
    os.close(there)

    with splitkeep("secret", "get", "a", "-o", form, stdout=here) as process:
        os.close(here)
        _, errors = process.communicate(timeout=30)

    assert (process.returncode, errors) == (1, b"")


def test_nothing_is_needed_of_streams_that_are_closed(server: Server) -> None:
    shell = 'exec "$0" -m splitkeep secret create a --description d --generate 8 <&- >&-'

    done = subprocess.run(
        ["sh", "-c", shell, sys.executable], cwd=ROOT, stderr=subprocess.PIPE, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert [method for method, _, _ in server.requests] == ["POST"]


def test_ctrl_c_ends_a_command_without_a_traceback(server: Server) -> None:
    server.held = threading.Event()

    with splitkeep("secret", "list", stdout=subprocess.PIPE) as process:
        assert server.arrived.wait(30)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    server.held.set()

    assert (process.returncode, out) == (INTERRUPTED, b"")
    assert b"Traceback" not in errors
