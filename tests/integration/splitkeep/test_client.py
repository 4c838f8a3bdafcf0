"""The decrypt client against a real gRPC server over real TLS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chassis.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    KnownError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from chassis.grpc_server import GrpcServer, Port, Service, Tls
from chassis.metrics import Metrics
from chassis.sensitive import Sensitive
from protos.splitkeep.vault.v1 import decrypter_pb2 as pb
from protos.splitkeep.vault.v1 import decrypter_pb2_grpc as rpc
from splitkeep.blocking_client import BlockingDecryptClient
from splitkeep.certificates import KeyPair, ensure_authority, ensure_leaf
from splitkeep.client import DecryptClient, DecryptError, Failure, Outcome, Reason, Secret

NAME = "splitkeep.vault.v1.Decrypter"
NOT_FOUND = pb.DECRYPT_FAILURE_NOT_FOUND
NOT_AUTHORIZED = pb.DECRYPT_FAILURE_NOT_AUTHORIZED
SECRET = b"canary-value"


@dataclass
class ScriptedVault(rpc.DecrypterServicer):
    """Answers as the script says: first its errors, then each name by what its name says."""

    errors: list[KnownError] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    forgets: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    holds: bool = False
    breaks_stream_after: int = 0

    async def DecryptSecureValues(  # noqa: N802  # the proto's name
        self, request: pb.DecryptSecureValuesRequest, context: Any
    ) -> pb.DecryptSecureValuesResponse:
        await self._note(request.names, context)
        return pb.DecryptSecureValuesResponse(results=self._results(request.names))

    async def StreamSecureValues(  # noqa: N802  # the proto's name
        self, request: pb.StreamSecureValuesRequest, context: Any
    ) -> AsyncIterator[pb.StreamSecureValuesResponse]:
        await self._note(request.names, context)
        results = self._results(request.names)
        for start in range(0, len(results), 50):
            yield pb.StreamSecureValuesResponse(results=results[start : start + 50])
            if self.breaks_stream_after:
                self.breaks_stream_after -= 1
                raise UnavailableError

    async def _note(self, names: Sequence[str], context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        self.tokens.append(metadata.get("x-access-token", ""))
        self.asked.append(list(names))
        if self.holds:
            await self.released.wait()
        if self.errors:
            raise self.errors.pop(0)

    def _results(self, names: Sequence[str]) -> list[pb.DecryptResult]:
        results = [_result(name) for name in names]
        forgotten, self.forgets = self.forgets, 0
        return results[forgotten:]


def _result(name: str) -> pb.DecryptResult:
    failures = {"missing": NOT_FOUND, "forbidden": NOT_AUTHORIZED, "odd": 77}
    if name in failures:
        failure: Any = failures[name]
        return pb.DecryptResult(name=name, failure=failure)
    return pb.DecryptResult(name=name, value=SECRET + name.encode(), version=2)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tls")
    now = datetime.now(UTC)
    authority = ensure_authority(
        KeyPair(directory / "ca.pem", directory / "ca.key"), name="Test", now=now
    )
    server = KeyPair(directory / "server.pem", directory / "server.key")
    ensure_leaf(server, authority, names=("localhost", "127.0.0.1", "vault"), now=now)
    return directory / "ca.pem"


@asynccontextmanager
async def serving(vault: ScriptedVault, ca: Path) -> AsyncIterator[int]:
    tls = Tls(ca.with_name("server.pem"), ca.with_name("server.key"))
    service = Service(NAME, rpc.add_DecrypterServicer_to_server, vault)
    server = GrpcServer(Port("127.0.0.1:0", tls, (service,)), frozenset({NAME}), Metrics())
    port = await server.start()
    try:
        yield port
    finally:
        vault.released.set()
        await server.stop(0)


class Pauses:
    """Pauses that take no time and are remembered."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


Connect = Callable[[ScriptedVault], Awaitable[DecryptClient]]


@pytest.fixture
async def connect(ca: Path) -> AsyncIterator[Connect]:
    from contextlib import AsyncExitStack  # noqa: PLC0415  # this fixture's alone

    async with AsyncExitStack() as open_things:

        async def open_client(vault: ScriptedVault) -> DecryptClient:
            port = await open_things.enter_async_context(serving(vault, ca))
            client = DecryptClient.connect(
                f"127.0.0.1:{port}", ca=ca, token=lambda: "the-token"
            )
            return await open_things.enter_async_context(client)

        yield open_client


def revealed(outcomes: dict[str, Outcome]) -> dict[str, bytes | Reason]:
    return {
        name: o.value.reveal() if isinstance(o, Secret) else o.reason
        for name, o in outcomes.items()
    }


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


@pytest.mark.parametrize("error", [UnavailableError(), ResourceExhaustedError()], ids=repr)
async def test_what_may_pass_is_tried_again(connect: Connect, error: KnownError) -> None:
    vault = ScriptedVault(errors=[error, error])
    client = await connect(vault)

    outcomes = await client.decrypt(["a"], namespace="default")

    assert isinstance(outcomes["a"], Secret)
    assert len(vault.asked) == 3


async def test_a_broken_stream_is_begun_again(connect: Connect) -> None:
    vault = ScriptedVault(breaks_stream_after=1)
    client = await connect(vault)
    names = [f"name-{number}" for number in range(150)]

    outcomes = await client.decrypt(names, namespace="default")

    assert list(outcomes) == names
    assert len(vault.asked) == 2


async def test_an_incomplete_answer_is_not_taken_for_one(connect: Connect) -> None:
    vault = ScriptedVault(forgets=1)
    client = await connect(vault)

    outcomes = await client.decrypt(["a", "b"], namespace="default")

    assert list(outcomes) == ["a", "b"]
    assert len(vault.asked) == 2


@pytest.mark.parametrize(
    "error", [UnauthenticatedError(), InvalidArgumentError("no")], ids=repr
)
async def test_what_does_not_pass_is_not_tried_again(
    connect: Connect, error: KnownError
) -> None:
    vault = ScriptedVault(errors=[error])
    client = await connect(vault)

    with pytest.raises(type(error)):
        await client.decrypt(["a"], namespace="default")
    assert len(vault.asked) == 1


async def test_retries_end_before_the_deadline(connect: Connect) -> None:
    vault = ScriptedVault(errors=[UnavailableError()] * 1_000)
    client = await connect(vault)
    started = asyncio.get_running_loop().time()

    with pytest.raises(UnavailableError):
        await client.decrypt(["a"], namespace="default", deadline_seconds=0.5)

    assert asyncio.get_running_loop().time() - started < 2
    assert 1 < len(vault.asked) < 1_000


async def test_pauses_grow_within_their_bound(ca: Path) -> None:
    vault, pauses = ScriptedVault(errors=[UnavailableError()] * 9), Pauses()
    async with serving(vault, ca) as port:
        made = DecryptClient.connect(f"127.0.0.1:{port}", ca=ca, token=lambda: "t")
        async with made, _with_pauses(made, pauses) as client:
            await client.decrypt(["a"], namespace="default", deadline_seconds=60)

    bounds = [min(0.05 * 2**number, 2.0) for number in range(9)]
    assert all(taken <= bound for taken, bound in zip(pauses.taken, bounds, strict=True))


@asynccontextmanager
async def _with_pauses(client: DecryptClient, pauses: Pauses) -> AsyncIterator[DecryptClient]:
    yield DecryptClient(client._channel, lambda: "t", pause=pauses)


async def test_a_vault_that_does_not_answer_ends_with_the_deadline(connect: Connect) -> None:
    client = await connect(ScriptedVault(holds=True))

    with pytest.raises(DeadlineExceededError):
        await client.decrypt(["a"], namespace="default", deadline_seconds=0.3)


async def test_a_vault_that_is_down_is_unavailable(ca: Path) -> None:
    async with DecryptClient.connect("127.0.0.1:1", ca=ca, token=lambda: "t") as client:
        with pytest.raises(UnavailableError):
            await client.decrypt(["a"], namespace="default", deadline_seconds=0.3)


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
    import threading  # noqa: PLC0415  # this test's alone

    before = threading.active_count()

    with pytest.raises(ValueError, match="either"):
        BlockingDecryptClient("127.0.0.1:1", ca=ca)

    assert threading.active_count() == before
