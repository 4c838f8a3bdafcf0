"""The decrypt command's words when TLS does not come about."""

import asyncio
import json
import socket
from pathlib import Path

import pytest

from splitkeep.cli import run
from splitkeep.commands.decrypt import in_words
from tests.integration.splitkeep.scripted_vault import ScriptedVault, make_certificates, serving


async def decrypt_at(
    port: int, *words: str, ca: Path, directory: Path, names: tuple[str, ...] = ("name",)
) -> int:
    token_file = directory / "token"
    token_file.write_text("the-token")
    where = ["--target", f"127.0.0.1:{port}", "--ca", str(ca), "--token-file", str(token_file)]
    command = ["decrypt", *names, *where, "--deadline", "2", *words]
    # In a thread: the command has an event loop of its own.
    return await asyncio.to_thread(run, command)


async def test_with_the_wrong_ca_the_command_asks_for_the_right_one(
    ca: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = make_certificates(tmp_path)

    async with serving(ScriptedVault(), ca) as port:
        assert await decrypt_at(port, ca=other, directory=tmp_path) == 1

    assert "is --ca the right one?" in capfd.readouterr().err


async def test_with_the_wrong_name_the_command_asks_for_the_right_one(
    ca: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(ScriptedVault(), ca) as port:
        code = await decrypt_at(port, "--server-name", "other", ca=ca, directory=tmp_path)

    assert code == 1
    assert "is --server-name the name" in capfd.readouterr().err


async def test_a_vault_that_cannot_be_reached_is_told_by_its_target(
    ca: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    assert await decrypt_at(port, ca=ca, directory=tmp_path) == 1

    said = capfd.readouterr().err
    assert f"the vault at 127.0.0.1:{port} cannot be reached: nothing listens there" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("DNS resolution failed for nowhere:1: C-ares status", "its host is not found"),
        ("connections to all backends failing; last error: recvmsg", "no TLS connection"),
    ],
)
def test_grpcs_words_for_a_connection_that_fails_are_not_shown(words: str, told: str) -> None:
    assert told in in_words(words, "nowhere:1")
    assert words not in in_words(words, "nowhere:1")


async def test_with_the_right_ca_the_command_prints_the_value(
    ca: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(ScriptedVault(), ca) as port:
        code = await decrypt_at(port, ca=ca, directory=tmp_path)

    assert (code, capfd.readouterr().out) == (0, "canary-valuename")


async def test_no_value_forges_the_line_of_another(
    ca: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(ScriptedVault(), ca) as port:
        names = ("name", "forging")
        code = await decrypt_at(port, ca=ca, directory=tmp_path, names=names)
        refused = capfd.readouterr()
        again = await decrypt_at(port, "--json", ca=ca, directory=tmp_path, names=names)

    assert (code, refused.out) == (1, "")
    assert "forging: a value with a line break" in refused.err
    assert again == 0
    assert json.loads(capfd.readouterr().out)["forging"]["value"] == "x\npg-main=forged"
