"""A supervisor and its workers: real processes, real TLS, real signals."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from tests.integration.chassis.certificates import Authority
from tests.integration.chassis.echo import EchoStub
from tests.integration.chassis.supervised import Supervised, eventually

Start = Callable[..., Awaitable[Supervised]]
CALL_SECONDS = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Authority(tmp_path, "ca").issue("localhost", "127.0.0.1", file="server")
    return tmp_path


@pytest.fixture
async def start(folder: Path) -> AsyncIterator[Start]:
    """Starts supervisors; nothing of them outlives the test."""
    started: list[Supervised] = []

    async def one_more(*, count: int = 2, port: int = 0) -> Supervised:
        program = ("-m", "tests.integration.chassis.crew", str(folder), str(count), str(port))
        started.append(await Supervised.start(*program))
        return started[-1]

    yield one_more
    for supervised in started:
        await supervised.stop()


class Clients:
    """Connections of their own to the same port."""

    def __init__(self, folder: Path, port: int, stack: AsyncExitStack) -> None:
        self._target, self._stack = f"localhost:{port}", stack
        self._ca = (folder / "ca.pem").read_bytes()

    async def connect(self, count: int) -> list[EchoStub]:
        return [await self._connect() for _ in range(count)]

    async def _connect(self) -> EchoStub:
        channel = grpc.aio.secure_channel(
            self._target,
            grpc.ssl_channel_credentials(self._ca),
            # Channels of one process would share a connection otherwise.
            options=[("grpc.use_local_subchannel_pool", 1)],
        )
        await self._stack.enter_async_context(channel)
        return EchoStub(channel)

    async def by_worker(self, least: int) -> dict[int, list[EchoStub]]:
        """So many connections to each of two workers, by the worker's number."""
        found: dict[int, list[EchoStub]] = {0: [], 1: []}

        async def enough() -> bool | None:
            (stub,) = await self.connect(1)
            found[await answered_by(stub)].append(stub)
            return min(map(len, found.values())) >= least or None

        await eventually(enough)
        return found


async def answered_by(stub: EchoStub) -> int:
    """The number of the worker that answers. Raises AioRpcError."""
    answer: StringValue = await stub.Once(StringValue(value="who"), timeout=CALL_SECONDS)
    return int(answer.value.split()[0])


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def crew(start: Start) -> Supervised:
    """A supervisor whose two workers serve."""
    crew = await start()
    await crew.line("ready")
    return crew


@pytest.fixture
async def clients(crew: Supervised, folder: Path, stack: AsyncExitStack) -> Clients:
    return Clients(folder, (await crew.line("ready"))["echo"], stack)


def is_free(port: int) -> bool:
    """Whether a process that shares it with nobody could have it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0 and _binds(probe, port)


def _binds(probe: socket.socket, port: int) -> bool:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def test_connections_reach_every_worker_and_the_metrics_say_which(
    crew: Supervised, clients: Clients
) -> None:
    found = await clients.by_worker(1)

    counted = await crew.series("grpc_server_calls_total", method="Once", code="OK")
    assert counted == {number: len(stubs) for number, stubs in found.items()}
    assert (await crew.fetched("/healthz")).status_code == 200
    assert await crew.readiness() == (200, [])


async def test_who_waits_for_the_ready_file_finds_every_worker_serving(
    crew: Supervised,
) -> None:
    ready = await crew.line("ready")

    assert set(ready) >= {"echo", "operations"}
    assert await crew.series("worker_restarts_total") == {0: 0, 1: 0}
    assert len(await crew.series("process_resident_memory_bytes")) == 2


def known_at_start(folder: Path) -> list[str]:
    return sorted(path.read_text() for path in folder.glob("known-*"))


async def test_what_one_worker_has_seen_every_worker_and_every_replacement_knows(
    crew: Supervised, clients: Clients, folder: Path
) -> None:
    found = await clients.by_worker(1)
    raised: StringValue = await found[0][0].Once(
        StringValue(value="rise"), timeout=CALL_SECONDS
    )

    async def heard() -> bool | None:
        answer = await found[1][0].Once(StringValue(value="mark"), timeout=CALL_SECONDS)
        return answer.value == "7" or None

    async def replaced() -> bool | None:
        return known_at_start(folder) == ["0", "0", "7"] or None

    await eventually(heard)
    os.kill(int(raised.value.split()[1]), signal.SIGKILL)
    await eventually(replaced)


async def test_a_killed_worker_is_replaced_and_nobody_elses_call_fails(
    crew: Supervised, clients: Clients
) -> None:
    found = await clients.by_worker(2)
    replaced = asyncio.create_task(crew.until_replaced(0))

    os.kill(crew.pid(0), signal.SIGKILL)
    others = []
    while not replaced.done():
        others += await asyncio.gather(*(answered_by(stub) for stub in found[1]))
    await replaced

    assert set(others) == {1}
    assert await crew.series("worker_restarts_total") == {0: 1, 1: 0}
    assert await crew.readiness() == (200, [])
    afterwards = await clients.connect(20)
    assert set(await asyncio.gather(*(answered_by(stub) for stub in afterwards))) <= {0, 1}
    assert len(crew.pids()) == 3


async def test_a_worker_that_keeps_dying_is_replaced_more_and_more_slowly(
    crew: Supervised,
) -> None:
    for times in (1, 2):
        os.kill(crew.pid(1), signal.SIGKILL)
        await crew.until_replaced(1, times)

    ends = crew.said("worker ended")
    assert [(end["exit_code"], end["pause_seconds"]) for end in ends] == [(-9, 0.0), (-9, 1.0)]


async def test_a_worker_that_is_asked_to_end_finishes_its_calls_and_is_replaced(
    crew: Supervised, clients: Clients, folder: Path
) -> None:
    stub = (await clients.by_worker(1))[1][0]
    held = await hold([stub], folder)

    os.kill(crew.pid(1), signal.SIGTERM)
    (folder / "release").touch()

    assert [answer.value.split()[0] for answer in await asyncio.gather(*held)] == ["1"]
    await crew.until_replaced(1)
    assert crew.said("worker ended")[0]["exit_code"] == 0


async def test_at_the_end_every_worker_finishes_its_calls_and_the_ports_are_free(
    crew: Supervised, clients: Clients, folder: Path
) -> None:
    port = (await crew.line("ready"))["echo"]
    found = await clients.by_worker(2)
    held = await hold([*found[0], *found[1]], folder)

    crew.process.send_signal(signal.SIGTERM)

    async def draining() -> bool | None:
        return (await crew.readiness()) == (503, ["draining"]) or None

    await eventually(draining)
    (folder / "release").touch()
    answers = await asyncio.gather(*held)
    assert {answer.value.split()[0] for answer in answers} == {"0", "1"}
    assert await crew.ended() == 0
    await crew.until_nobody_is_left()
    assert is_free(port)


async def test_a_second_signal_ends_everything_at_once(
    crew: Supervised, clients: Clients, folder: Path
) -> None:
    found = await clients.by_worker(1)
    held = await hold([found[0][0], found[1][0]], folder)
    crew.process.send_signal(signal.SIGTERM)

    async def draining() -> bool | None:
        return (await crew.readiness()) == (503, ["draining"]) or None

    await eventually(draining)

    crew.process.send_signal(signal.SIGTERM)

    assert await crew.ended() == 1
    await crew.until_nobody_is_left()
    results = await asyncio.gather(*held, return_exceptions=True)
    assert all(isinstance(result, grpc.aio.AioRpcError) for result in results)


async def test_workers_whose_supervisor_is_killed_finish_their_calls_and_end(
    crew: Supervised, clients: Clients, folder: Path
) -> None:
    found = await clients.by_worker(1)
    held = await hold([found[0][0], found[1][0]], folder)

    crew.process.kill()
    (folder / "release").touch()

    assert len(await asyncio.gather(*held)) == 2
    await crew.until_nobody_is_left()


async def test_a_worker_that_hangs_is_named_until_it_goes_on(crew: Supervised) -> None:
    os.kill(crew.pid(1), signal.SIGSTOP)

    async def named() -> bool | None:
        return (await crew.readiness()) == (503, ["worker 1: does not answer"]) or None

    await eventually(named)
    counted = await crew.series("worker_restarts_total")
    os.kill(crew.pid(1), signal.SIGCONT)
    await crew.until_ready()

    assert counted == {0: 0, 1: 0}


async def test_what_fails_in_one_worker_is_named_with_its_number(
    crew: Supervised, folder: Path
) -> None:
    (folder / "unwell-1").touch()

    assert await crew.readiness() == (503, ["worker 1: mood"])


async def test_a_refusal_of_the_workers_is_told_once_and_ends_the_supervisor(
    start: Start, folder: Path
) -> None:
    (folder / "refuse").touch()
    crew = await start()

    assert await crew.ended() == 2
    told = crew.said("start refused")
    assert [line["problems"] for line in told] == [["X_A is required", "X_B is required"]]
    await crew.until_nobody_is_left()


async def test_workers_that_end_at_their_first_start_end_the_supervisor(
    start: Start, folder: Path
) -> None:
    (folder / "die").touch()
    crew = await start()

    assert await crew.ended() == 1
    assert crew.said("ready") == []
    await crew.until_nobody_is_left()


async def test_a_replacement_that_refuses_to_start_says_why(
    crew: Supervised, folder: Path
) -> None:
    (folder / "refuse").touch()

    os.kill(crew.pid(0), signal.SIGKILL)

    async def refused() -> Sequence[str] | None:
        ends = crew.said("worker ended")
        return next((end["problems"] for end in ends if end["problems"]), None)

    assert await eventually(refused) == ["X_A is required", "X_B is required"]
    assert await crew.readiness() == (200, [])
    (folder / "refuse").unlink()
    await crew.until_replaced(0)


async def test_a_second_instance_does_not_share_the_port(
    crew: Supervised, start: Start, clients: Clients
) -> None:
    port = (await crew.line("ready"))["echo"]

    second = await start(port=port)

    assert await second.ended() == 3
    assert second.pids() == {}
    (refusal,) = second.said("start refused")
    assert f"127.0.0.1:{port}: another process has the port" in refusal["problems"][0]
    assert await answered_by((await clients.connect(1))[0]) in {0, 1}


async def test_the_port_of_an_instance_that_has_just_ended_can_be_had_again(
    crew: Supervised, start: Start, clients: Clients
) -> None:
    port = (await crew.line("ready"))["echo"]
    await clients.by_worker(2)
    crew.process.send_signal(signal.SIGTERM)
    await crew.ended()

    again = await start(port=port)

    assert (await again.line("ready"))["echo"] == port


async def hold(
    stubs: Sequence[EchoStub], folder: Path
) -> list[grpc.aio.UnaryUnaryCall[StringValue, StringValue]]:
    """A call on each, all of them being served."""
    calls = [stub.Once(StringValue(value="hold"), timeout=CALL_SECONDS) for stub in stubs]

    async def all_are_held() -> bool | None:
        return count_held(folder) == len(calls) or None

    await eventually(all_are_held)
    return calls


def count_held(folder: Path) -> int:
    return len(list(folder.glob("held-*")))
