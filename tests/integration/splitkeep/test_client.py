"""The decrypt client against a real gRPC server over real TLS."""

import asyncio
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from chassis.errors import DeadlineExceededError, UnauthenticatedError, UnavailableError
from chassis.sensitive import Sensitive
from splitkeep.blocking_client import BlockingDecryptClient
from splitkeep.client import (
    ClientClosedError,
    DecryptClient,
    DecryptError,
    Failure,
    Outcome,
    Reason,
    Secret,
)
from tests.fakes.proxies import recording_proxy
from tests.integration.chassis.harness import until
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


@pytest.mark.parametrize("names", ["a1", b"a1", bytearray(b"a1"), [b"a"], [1], ["a", None]])
async def test_what_is_no_sequence_of_names_is_refused_before_anything_is_asked(
    connect: Connect, names: Any
) -> None:
    vault = ScriptedVault()
    client = await connect(vault)

    with pytest.raises(TypeError, match="name"):
        await client.decrypt(names, namespace="default")
    assert vault.asked == []


async def test_a_name_that_is_no_unicode_is_refused_in_words(connect: Connect) -> None:
    vault = ScriptedVault()
    client = await connect(vault)

    with pytest.raises(ValueError, match="a name is not valid Unicode"):
        await client.decrypt(["a", "\udcff"], namespace="default")
    assert vault.asked == []


async def test_names_may_come_from_any_iterable(connect: Connect) -> None:
    client = await connect(ScriptedVault())

    for names in (("a", "b"), iter(["a", "b"]), {"a": 1, "b": 2}):
        assert list(await client.decrypt(names, namespace="default")) == ["a", "b"]


@pytest.mark.parametrize("seconds", [1e10, 10**400, float("inf"), 86_401, 5, Fraction(11, 2)])
async def test_a_long_deadline_is_a_deadline(connect: Connect, seconds: float) -> None:
    client = await connect(ScriptedVault())

    secret = await client.read("a", namespace="default", deadline_seconds=seconds)

    assert secret.version == 2


@pytest.mark.parametrize(
    ("seconds", "error"),
    [
        (float("nan"), ValueError),
        (True, TypeError),
        ("10", TypeError),
        (None, TypeError),
        (0, DeadlineExceededError),
        (-1, DeadlineExceededError),
        (float("-inf"), DeadlineExceededError),
        (-(10**400), DeadlineExceededError),
    ],
)
async def test_a_deadline_that_is_none_is_refused_before_anything_is_asked(
    connect: Connect, ca: Path, seconds: Any, error: type[Exception]
) -> None:
    vault = ScriptedVault()
    client = await connect(vault)

    with pytest.raises(error):
        await client.decrypt(["a"], namespace="default", deadline_seconds=seconds)
    with (
        BlockingDecryptClient("127.0.0.1:1", ca=ca, token=lambda: "t") as blocking,
        pytest.raises(error),
    ):
        blocking.read("a", namespace="default", deadline_seconds=seconds)
    assert vault.asked == []


async def test_a_token_source_that_never_answers_ends_with_the_deadline(ca: Path) -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return "t"

    async with DecryptClient.connect("127.0.0.1:1", ca=ca, token=never) as client:
        with pytest.raises(DeadlineExceededError):
            await client.read("a", namespace="default", deadline_seconds=0.2)
    with (
        BlockingDecryptClient("127.0.0.1:1", ca=ca, token=never) as blocking,
        pytest.raises(DeadlineExceededError),
    ):
        blocking.read("a", namespace="default", deadline_seconds=0.2)


async def test_calls_under_way_end_when_the_client_is_closed(connect: Connect) -> None:
    vault = ScriptedVault(holds=True)
    client = await connect(vault)
    many = [f"name-{number}" for number in range(150)]
    calls = [
        asyncio.create_task(client.decrypt(names, namespace="default"))
        for names in (["a"], many)
    ]
    await until(lambda: len(vault.asked) == 2)

    await client.close()

    for call in calls:
        with pytest.raises(ClientClosedError):
            await call


async def test_blocking_calls_under_way_end_when_the_client_is_closed(ca: Path) -> None:
    vault = ScriptedVault(holds=True)
    async with serving(vault, ca) as port:
        client = BlockingDecryptClient(f"127.0.0.1:{port}", ca=ca, token=lambda: "t")
        call = asyncio.create_task(asyncio.to_thread(client.read, "a", namespace="default"))
        await until(lambda: len(vault.asked) == 1)

        await asyncio.to_thread(client.close)

        with pytest.raises(ClientClosedError):
            await call


async def test_a_call_that_is_given_up_is_cancelled_at_the_vault(connect: Connect) -> None:
    vault = ScriptedVault(holds=True)
    client = await connect(vault)
    many = [f"name-{number}" for number in range(150)]
    for names in (["a"], many):
        call = asyncio.create_task(client.decrypt(names, namespace="default"))
        await until(lambda: len(vault.asked) == vault.given_up + 1)

        call.cancel()

        await until(lambda: len(vault.asked) == vault.given_up)
        assert call.cancelled()


@pytest.mark.parametrize("token", ["a-literal-token", Sensitive("t"), b"t"])
def test_a_token_that_is_no_callable_is_refused_without_being_shown(
    ca: Path, token: Any
) -> None:
    with pytest.raises(TypeError, match="callable") as caught:
        DecryptClient.connect("127.0.0.1:1", ca=ca, token=token)
    assert "literal" not in str(caught.value)


async def test_a_token_that_was_written_in_part_is_not_what_a_read_fails_by(
    ca: Path, tmp_path: Path
) -> None:
    vault, file = ScriptedVault(), tmp_path / "token"
    file.write_text("whole-token")
    async with (
        serving(vault, ca) as port,
        DecryptClient.connect(f"127.0.0.1:{port}", ca=ca, token_file=file) as client,
    ):
        await client.read("a", namespace="default")
        file.write_text("whole-to")
        vault.errors = [UnauthenticatedError()]

        await client.read("a", namespace="default")

    assert vault.tokens == ["whole-token", "whole-to", "whole-token"]


@pytest.mark.parametrize("asked_for", [False, True], ids=["not asked for", "asked for"])
async def test_a_client_goes_through_the_proxy_that_it_is_given_and_through_no_other(
    ca: Path, monkeypatch: pytest.MonkeyPatch, *, asked_for: bool
) -> None:
    async with recording_proxy() as proxy, serving(ScriptedVault(), ca) as port:
        for name, value in proxy.environment.items():
            monkeypatch.setenv(name, value)
        if asked_for:
            monkeypatch.setenv("no_proxy", "127.0.0.1")
        given = f"127.0.0.1:{proxy.port}" if asked_for else None
        target, token = f"127.0.0.1:{port}", "canary-token"
        async with DecryptClient.connect(
            target, ca=ca, token=lambda: token, proxy=given
        ) as client:
            await client.read("a", namespace="default")
        with BlockingDecryptClient(target, ca=ca, token=lambda: token, proxy=given) as blocking:
            await asyncio.to_thread(blocking.read, "a", namespace="default")

    heads = [head.split()[:2] for head in proxy.heads]
    assert heads == ([["CONNECT", target]] * 2 if asked_for else [])
    assert not any(token in head for head in proxy.heads)


@pytest.mark.parametrize("proxy", ["", "proxy", "http://proxy:3128", "u:p@proxy:3128", "a b:1"])
def test_a_proxy_that_is_not_host_and_port_is_refused(ca: Path, proxy: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        DecryptClient.connect("127.0.0.1:1", ca=ca, token=lambda: "t", proxy=proxy)
