"""The decrypt client against a real gRPC server over real TLS."""

import asyncio
import threading
from pathlib import Path

import pytest

from chassis.errors import UnavailableError
from chassis.sensitive import Sensitive
from splitkeep.blocking_client import BlockingDecryptClient
from splitkeep.client import DecryptClient, DecryptError, Failure, Outcome, Reason, Secret
from tests.integration.splitkeep.conftest import Connect
from tests.integration.splitkeep.scripted_vault import (
    SECRET,
    ScriptedVault,
    revealed,
    serving,
)


async def test_every_name_is_answered_in_the_order_asked(connect: Connect) -> None:
    client = await connect(ScriptedVault())

    outcomes = await client.decrypt(["b", "missing", "a", "forbidden"], namespace="default")

    assert list(revealed(outcomes).items()) == [
        ("b", SECRET + b"b"),
        ("missing", Reason.NOT_FOUND),
        ("a", SECRET + b"a"),
        ("forbidden", Reason.NOT_AUTHORIZED),
    ]


async def test_a_failure_of_a_kind_we_do_not_know_is_a_failed_decryption(
    connect: Connect,
) -> None:
    client = await connect(ScriptedVault())

    outcomes = await client.decrypt(["odd"], namespace="default")

    assert outcomes["odd"] == Failure("odd", Reason.DECRYPTION_FAILED)


async def test_a_repeated_name_is_asked_for_once(connect: Connect) -> None:
    vault = ScriptedVault()
    client = await connect(vault)

    outcomes = await client.decrypt(["a", "a"], namespace="default")

    assert vault.asked == [["a"]]
    assert list(outcomes) == ["a"]


async def test_no_names_make_no_call(connect: Connect) -> None:
    vault = ScriptedVault()
    client = await connect(vault)

    assert await client.decrypt([], namespace="default") == {}
    assert vault.asked == []


async def test_a_big_batch_is_streamed_in_portions_the_service_takes(connect: Connect) -> None:
    vault = ScriptedVault()
    client = await connect(vault)
    names = [f"name-{number}" for number in range(2_001)]

    outcomes = await client.decrypt(names, namespace="default")

    assert [len(asked) for asked in vault.asked] == [1_000, 1_000, 1]
    assert list(outcomes) == names
    assert all(isinstance(outcome, Secret) for outcome in outcomes.values())


async def test_a_value_does_not_print(connect: Connect) -> None:
    client = await connect(ScriptedVault())

    outcomes = await client.decrypt(["a"], namespace="default")

    assert SECRET.decode() not in repr(outcomes)


async def test_reading_one_name_answers_its_secret(connect: Connect) -> None:
    client = await connect(ScriptedVault())

    secret = await client.read("a", namespace="default")

    assert (secret.value.reveal(), secret.version) == (SECRET + b"a", 2)


async def test_reading_one_name_that_has_no_value_raises(connect: Connect) -> None:
    client = await connect(ScriptedVault())

    with pytest.raises(DecryptError, match="missing: not found"):
        await client.read("missing", namespace="default")


async def test_each_call_carries_the_token_of_the_moment(ca: Path, tmp_path: Path) -> None:
    vault, file = ScriptedVault(), tmp_path / "token"
    file.write_text("first\n")
    async with (
        serving(vault, ca) as port,
        DecryptClient.connect(f"127.0.0.1:{port}", ca=ca, token_file=file) as client,
    ):
        await client.decrypt(["a"], namespace="default")
        file.write_text("the second\n".replace(" ", "-"))
        await client.decrypt(["a"], namespace="default")

    assert vault.tokens == ["first", "the-second"]


async def test_a_server_with_another_name_is_not_believed(ca: Path) -> None:
    async with (
        serving(ScriptedVault(), ca) as port,
        DecryptClient.connect(
            f"127.0.0.1:{port}", ca=ca, token=lambda: "t", server_name="metadata"
        ) as client,
    ):
        with pytest.raises(UnavailableError):
            await client.decrypt(["a"], namespace="default", deadline_seconds=0.5)


@pytest.mark.parametrize("both", [True, False], ids=["two", "none"])
def test_a_client_has_exactly_one_source_of_tokens(ca: Path, *, both: bool) -> None:
    with pytest.raises(ValueError, match="either token or token_file"):
        DecryptClient.connect(
            "127.0.0.1:1",
            ca=ca,
            token=(lambda: "t") if both else None,
            token_file=ca if both else None,
        )


async def test_the_blocking_client_answers_the_same(ca: Path) -> None:
    def ask(port: int) -> dict[str, Outcome]:
        token = Sensitive("t")
        with BlockingDecryptClient(f"127.0.0.1:{port}", ca=ca, token=lambda: token) as client:
            assert client.read("a", namespace="default").version == 2
            return client.decrypt(["a", "missing"], namespace="default")

    async with serving(ScriptedVault(), ca) as port:
        outcomes = await asyncio.to_thread(ask, port)

    assert revealed(outcomes) == {"a": SECRET + b"a", "missing": Reason.NOT_FOUND}


def test_a_blocking_client_that_cannot_be_made_leaves_no_thread(ca: Path) -> None:
    before = threading.active_count()

    with pytest.raises(ValueError, match="either"):
        BlockingDecryptClient("127.0.0.1:1", ca=ca)

    assert threading.active_count() == before
