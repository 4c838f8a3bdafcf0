"""The floor: a bare grpc.aio server, of whichever grpcio is installed beside it.

It imports nothing of this repository, so that it runs in an environment that holds no more than
grpcio and uvloop. Any method is answered with an empty message over TLS, but for COUNT, which
answers how many others were served; it takes the token's header as any server does and does not
look at it.

    python floor_server.py '{"certificate": …, "private_key": …, "ready_file": …,
                             "options": [[…, …]], "loop": "uvloop"}'
"""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import grpc

HOST = "127.0.0.1"
COUNT = "/splitkeep.bench.Floor/Count"
GRACE_SECONDS = 1


class Floor(grpc.GenericRpcHandler):
    """Serves every method of every service."""

    def __init__(self) -> None:
        self._served = 0
        self._empty: Any = grpc.unary_unary_rpc_method_handler(self._answer)
        self._count: Any = grpc.unary_unary_rpc_method_handler(self._say_count)

    def service(self, call: grpc.HandlerCallDetails) -> Any:
        return self._count if call.method == COUNT else self._empty

    async def _answer(self, _request: bytes, _context: Any) -> bytes:
        self._served += 1
        return b""

    async def _say_count(self, _request: bytes, _context: Any) -> bytes:
        return b"%d" % self._served


async def serve(told: dict[str, Any]) -> None:
    """Serves until SIGTERM; the port is in the ready file as soon as there is one."""
    server = grpc.aio.server(options=[tuple(option) for option in told["options"]])
    server.add_generic_rpc_handlers((Floor(),))
    port = server.add_secure_port(f"{HOST}:0", credentials(told))
    await server.start()
    ready = Path(told["ready_file"])
    unfinished = ready.with_suffix(".new")
    unfinished.write_text(json.dumps({"port": port, "grpcio": grpc.__version__}))
    unfinished.replace(ready)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await server.stop(GRACE_SECONDS)


def credentials(told: dict[str, Any]) -> grpc.ServerCredentials:
    """Of a server that asks its clients for no certificate."""
    private_key = Path(told["private_key"]).read_bytes()
    return grpc.ssl_server_credentials([(private_key, Path(told["certificate"]).read_bytes())])


def loop_factory(name: str) -> Any:
    """What makes the event loop; None is Python's own."""
    if name != "uvloop":
        return None
    import uvloop  # noqa: PLC0415  # a variant may do without

    return uvloop.new_event_loop


if __name__ == "__main__":
    what = json.loads(sys.argv[1])
    with asyncio.Runner(loop_factory=loop_factory(what["loop"])) as runner:
        runner.run(serve(what))
