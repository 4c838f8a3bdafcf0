"""gRPC's core prints nothing in a program of ours, unless somebody asks for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.grpc_core_output import silence_core

ROOT = Path(__file__).resolve().parents[3]
ASKED = "X_GRPC_VERBOSITY"
PRINTS = """
import asyncio, os
from chassis.grpc_core_output import silence_core
if {ours}:
    silence_core(os.environ, unless="X_GRPC_VERBOSITY")
import grpc
from tests.integration.chassis.raw_http2 import HEADERS, PREFACE, SETTINGS, frame, header
async def main():
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    fields = header(b":path", b"/a/b") + header(b"grpc-timeout", b"not-a-timeout")
    writer.write(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, 5, 1, fields))
    await reader.read(1)
    await asyncio.sleep(0.5)
asyncio.run(main())
os._exit(0)
"""


def printed(*, ours: bool, **variables: str) -> str:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("GRPC_")}
    done = subprocess.run(
        [sys.executable, "-c", PRINTS.format(ours=ours)],
        cwd=ROOT,
        env=clean | variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stderr


@pytest.mark.parametrize("verbosity", ["error", "debug"])
def test_a_verbosity_and_traces_of_the_environment_are_not_heeded(verbosity: str) -> None:
    of_others = {"GRPC_VERBOSITY": verbosity, "GRPC_TRACE": "http"}

    assert "grpc-timeout" in printed(ours=False, **of_others)
    assert printed(ours=True, **of_others) == ""


def test_the_core_prints_what_is_asked_for() -> None:
    assert "grpc-timeout" in printed(ours=True, **{ASKED: "error"})


@pytest.mark.parametrize("text", ["", "none", "everything"])
def test_any_other_text_asks_for_nothing(text: str) -> None:
    environ = {ASKED: text, "GRPC_TRACE": "http", "PATH": "/bin"}

    silence_core(environ, unless=ASKED)

    assert environ == {ASKED: text, "GRPC_VERBOSITY": "NONE", "PATH": "/bin"}
