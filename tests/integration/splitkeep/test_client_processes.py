"""The decrypt clients in programs of their own: forks, loops, threads, signals, the end."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.splitkeep.scripted_vault import ScriptedVault, make_certificates, serving

PATIENCE_SECONDS = 60.0
PROLOGUE = """
import asyncio, os, signal, sys, threading, time
from pathlib import Path
from splitkeep.blocking_client import BlockingDecryptClient
from splitkeep.client import ClientClosedError, DecryptClient, ForkedError

target, given = f"127.0.0.1:{sys.argv[1]}", dict(ca=Path(sys.argv[2]), token=lambda: "t")

def blocking():
    return BlockingDecryptClient(target, **given)

def read(client):
    return client.read("a", namespace="default", deadline_seconds=20).version

async def aread(client):
    return (await client.read("a", namespace="default", deadline_seconds=20)).version

def in_child(work):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            print(work())
        except Exception as error:
            print(type(error).__name__)
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


async def output_of(program: str, ca: Path, **environment: str) -> list[str]:
    """The lines that a program writes, to standard output and to standard error."""
    async with serving(ScriptedVault(), ca) as port:
        return await output_at(port, program, ca, **environment)


async def output_at(port: int, program: str, ca: Path, **environment: str) -> list[str]:
    """As `output_of`, whatever serves at the port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-c", PROLOGUE + program, str(port), str(ca)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0", **environment},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            output, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):  # its children, too, which hold the pipe open
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    assert process.returncode == 0, output.decode()
    return output.decode().splitlines()


@pytest.mark.parametrize(
    ("program", "lines"),
    [
        pytest.param(
            "client = blocking(); in_child(lambda: read(client)); print(read(client))",
            ["2", "2"],
            id="made before the fork and used after it, in both",
        ),
        pytest.param(
            "client = DecryptClient.connect(target, **given)\n"
            "in_child(lambda: asyncio.run(aread(client)))\n"
            "print(asyncio.run(aread(client)))",
            ["2", "2"],
            id="made before the fork and used after it, in both, with asyncio",
        ),
        pytest.param(
            "client = blocking(); print(read(client)); in_child(lambda: read(client))\n"
            "print(read(client))",
            ["2", "ForkedError", "2"],
            id="used before the fork",
        ),
        pytest.param(
            "client = DecryptClient.connect(target, **given)\n"
            "print(asyncio.run(aread(client)))\n"
            "in_child(lambda: asyncio.run(aread(client)))",
            ["2", "ForkedError"],
            id="used before the fork, with asyncio",
        ),
        pytest.param(
            "with blocking() as client: print(read(client))\n"
            "in_child(lambda: read(blocking()))",
            ["2", "ForkedError"],
            id="a new client after another was used and closed before the fork",
        ),
        pytest.param(
            "for _ in range(5):\n"
            "    with blocking() as client: read(client)\n"
            "    in_child(lambda: read(blocking()))",
            5 * ["ForkedError"],
            id="each time that a client was closed",
        ),
        pytest.param(
            "import multiprocessing\n"
            "client = blocking(); print(read(client), flush=True)\n"
            "def work():\n"
            "    try: read(client)\n"
            "    except ForkedError as error: print(str(error)[:48], flush=True)\n"
            "child = multiprocessing.get_context('fork').Process(target=work)\n"
            "child.start(); child.join()",
            ["2", "the decrypt client was used before this process "],
            id="multiprocessing by fork",
        ),
    ],
)
async def test_a_forked_child_reads_or_is_told_at_once_why_it_cannot(
    ca: Path, program: str, lines: list[str]
) -> None:
    assert await output_of(program, ca) == lines


async def test_where_grpc_survives_a_fork_the_child_reads(ca: Path) -> None:
    program = "client = blocking(); print(read(client)); in_child(lambda: read(client))"

    assert await output_of(program, ca, GRPC_ENABLE_FORK_SUPPORT="1") == ["2", "2"]


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(
            "client = DecryptClient.connect(target, **given)\n"
            "for _ in range(3): print(asyncio.run(aread(client)))",
            id="one client on one loop after another",
        ),
        pytest.param(
            "client, versions = DecryptClient.connect(target, **given), []\n"
            "async def often():\n"
            "    for _ in range(100): versions.append(await aread(client))\n"
            "def work(): asyncio.run(often())\n"
            "threads = [threading.Thread(target=work) for _ in range(3)]\n"
            "for thread in threads: thread.start()\n"
            "for thread in threads: thread.join()\n"
            "for _ in range(len(versions) // 100): print(2)",
            id="one client on three loops at a time",
        ),
        pytest.param(
            "clients = [blocking() for _ in range(3)]\n"
            "def often(client):\n"
            "    for _ in range(100): read(client)\n"
            "    print('2\\n', end='')\n"
            "threads = [threading.Thread(target=often, args=(c,)) for c in clients]\n"
            "for thread in threads: thread.start()\n"
            "for thread in threads: thread.join()",
            id="three blocking clients",
        ),
        pytest.param(
            "from splitkeep.client import Secret\n"
            "import grpc\n"
            "async def main():\n"
            "    channel = grpc.aio.insecure_channel('127.0.0.1:1')\n"
            "    call = channel.unary_unary('/a/b')\n"
            "    with blocking() as client:\n"
            "        for _ in range(3):\n"
            "            try: await call(b'', timeout=1)\n"
            "            except grpc.aio.AioRpcError: pass\n"
            "            print(read(client))\n"
            "    await channel.close()\n"
            "asyncio.run(main())",
            id="a blocking client inside a running loop that uses grpc.aio itself",
        ),
        pytest.param(
            "client = blocking()\n"
            "signal.signal(signal.SIGALRM, lambda *_: print(read(client)))\n"
            "for _ in range(2):\n"
            "    signal.setitimer(signal.ITIMER_REAL, 0.001)\n"
            "    read(client); time.sleep(0.2)\n"
            "print(2)",
            id="a blocking client in a signal handler, while it is being used",
        ),
        pytest.param(
            "import atexit\n"
            "client = blocking()\n"
            "atexit.register(lambda: print(read(client)))\n"
            "print(read(client)); print(read(client))",
            id="a blocking client at the interpreter's exit, never closed",
        ),
        pytest.param(
            "client = DecryptClient.connect(target, **given)\n"
            "names = [f'n{i}' for i in range(150)]\n"
            "for _ in range(3):\n"
            "    print(asyncio.run(client.decrypt(names, namespace='default'))['n7'].version)",
            id="a streamed answer on one loop after another",
        ),
    ],
)
async def test_a_client_works_wherever_it_is_used_and_nothing_else_is_printed(
    ca: Path, program: str
) -> None:
    assert await output_of(program, ca) == ["2", "2", "2"]


CLOSING = """
def closed(work):
    try: work()
    except ClientClosedError as error: print(error)

async def asynchronously():
    client = DecryptClient.connect(target, **given)
    async with client: await aread(client)
    await asyncio.gather(client.close(), client.close())
    for work in (lambda: aread(client), client.__aenter__):
        try: await work()
        except ClientClosedError as error: print(error)

client = blocking()
with client: read(client)
threads = [threading.Thread(target=client.close) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
closed(lambda: read(client)); closed(client.__enter__)
asyncio.run(asynchronously())
"""


async def test_a_closed_client_says_so_however_often_it_is_closed(ca: Path) -> None:
    assert await output_of(CLOSING, ca) == ["the decrypt client is closed"] * 4


AWAY_SECONDS = 4.0  # longer than gRPC gives one attempt to connect


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("print(read(blocking()))", id="while one call waits"),
        pytest.param(
            "client, ended = blocking(), time.monotonic() + 15\n"
            "while time.monotonic() < ended:\n"
            "    try:\n"
            "        print(client.read('a', namespace='default', deadline_seconds=1).version)\n"
            "        break\n"
            "    except Exception: time.sleep(0.2)",
            id="between short calls",
        ),
    ],
)
async def test_a_vault_that_was_away_for_seconds_is_found_again(ca: Path, program: str) -> None:
    async with serving(ScriptedVault(), ca) as port:
        pass

    # In a process of its own: a server in the client's process would drive its connections.
    reading = asyncio.create_task(output_at(port, program, ca))
    await asyncio.sleep(AWAY_SECONDS)
    async with serving(ScriptedVault(), ca, port):
        assert await reading == ["2"]


async def test_what_was_wrong_at_first_is_told_at_the_deadline(
    ca: Path, tmp_path: Path
) -> None:
    program = (
        f"given['ca'] = Path({str(make_certificates(tmp_path))!r})\n"
        "try: blocking().read('a', namespace='default', deadline_seconds=5)\n"
        "except Exception as error: print('CERTIFICATE_VERIFY_FAILED' in str(error))"
    )

    assert await output_of(program, ca) == ["True"]
