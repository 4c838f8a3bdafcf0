"""A stack's process has started, and is ready once it says that it reaches whom it needs."""

import asyncio
import sys
from pathlib import Path

import pytest

from splitkeep.local import services
from splitkeep.local.child import Child, Program
from splitkeep.local.services import Service
from splitkeep.local.supervisor import StartError

# Ready once the file `reached` is there; asked before, it leaves the file `asked`.
STARTED = """
import http.server, json, pathlib

class Operations(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        assert self.path == "/readyz"
        reached = pathlib.Path("reached").exists()
        if not reached:
            pathlib.Path("asked").touch()
        self.send_response(200 if reached else 503)
        self.end_headers()

server = http.server.HTTPServer(("127.0.0.1", 0), Operations)
unfinished = pathlib.Path("unfinished")
unfinished.write_text(json.dumps({"operations": server.server_port}))
unfinished.replace("ready.json")
server.serve_forever()
"""


def a_service(directory: Path) -> Service:
    program = Program(
        command=[sys.executable, "-c", STARTED],
        log=directory / "log",
        environ={},
        directory=directory,
    )
    return Service("alone", Child(program), directory / "ready.json")


async def test_a_service_that_has_started_is_waited_for_until_it_reaches_whom_it_needs(
    tmp_path: Path,
) -> None:
    service = a_service(tmp_path)
    await service.start()
    try:
        ready = asyncio.create_task(service.until_ready())
        async with asyncio.timeout(30):
            while not (tmp_path / "asked").exists():  # noqa: ASYNC110  # by another process
                await asyncio.sleep(0.01)
            assert not ready.done()
            (tmp_path / "reached").touch()
            await ready
    finally:
        await service.stop()


async def test_a_service_that_reaches_nobody_is_told_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = a_service(tmp_path)
    await service.start()
    monkeypatch.setattr(services, "START_SECONDS", 0.3)
    try:
        with pytest.raises(StartError, match="alone is not ready"):
            await service.until_ready()
    finally:
        await service.stop()
