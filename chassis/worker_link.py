"""The socket between a supervisor and one of its workers, and both its ends.

- The worker says once that it serves, or why it cannot start; then it answers questions.
- Each tells the other which high-water marks have risen; a worker knows the supervisor's before
  it does anything.
- Either end sees when the other is gone. A supervisor that closes its sending side, or dies,
  thereby asks the worker to drain and to end.
- One message is one line of JSON, written by programs of one release.
"""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog

from chassis.high_water import HighWaterMarks
from chassis.operations import Vitals

_CHUNK_BYTES = 1 << 18
METRICS, FAILING = "metrics", "failing"

_log = structlog.get_logger(__name__)


class SupervisorEnd:
    """What the supervisor has of one worker. Nothing of it waits but `ask`."""

    def __init__(self, marks: HighWaterMarks) -> None:
        self._marks = marks
        self._own, self._workers = socket.socketpair()
        self._own.setblocking(False)  # noqa: FBT003  # socket's own way
        self._heard = b""
        self._answers: dict[str, asyncio.Future[Any]] = {}
        self._asked_to_end = False
        self.serving = asyncio.Event()
        self.gone = asyncio.Event()  # the worker has ended
        self.problems: tuple[str, ...] = ()  # why it cannot start

    @property
    def workers_descriptor(self) -> int:
        """What the worker is to inherit."""
        return self._workers.fileno()

    def open(self) -> None:
        """The worker, which has inherited its end by now, is listened to."""
        self._workers.close()
        asyncio.get_running_loop().add_reader(self._own, self._read)
        self.tell(self._marks.all())

    def tell(self, marks: Mapping[str, int]) -> None:
        """The worker knows these marks, unless it has ended."""
        with suppress(OSError):
            self._own.send(_line({"marks": marks}))

    async def ask(self, question: str, *, seconds: float) -> Any:
        """The answer; None if there is none within this time.

        Those who ask the same meanwhile share it, so that a worker that hangs is not flooded.
        """
        answer = self._answers.get(question)
        if answer is None:
            answer = self._answers[question] = asyncio.get_running_loop().create_future()
            self._send(question)
        await asyncio.wait((answer,), timeout=seconds)
        return answer.result() if answer.done() else None

    def ask_to_end(self) -> None:
        """The worker drains and ends, however far its start has come."""
        if not self._asked_to_end and not self.gone.is_set():
            self._asked_to_end = True
            self._own.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Nothing is kept of it."""
        self._workers.close()
        if self._own.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._own)
            self._own.close()
            self._end()

    def _send(self, question: str) -> None:
        # At most one of each is unanswered: they always fit into the socket.
        with suppress(OSError):
            self._own.send(_line({"ask": question}))

    def _read(self) -> None:
        try:
            heard = self._own.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:  # it ended with something unread
            heard = b""
        if not heard:
            asyncio.get_running_loop().remove_reader(self._own)
            self._end()
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            self._hear(json.loads(line))

    def _hear(self, message: dict[str, Any]) -> None:
        if "problems" in message:
            self.problems = tuple(message["problems"])
        elif "marks" in message:
            self._marks.note(message["marks"])
        elif "answer" in message:
            self._answers.pop(message["of"]).set_result(message["answer"])
        else:
            self.serving.set()

    def _end(self) -> None:
        self.gone.set()
        for answer in self._answers.values():
            answer.set_result(None)
        self._answers.clear()


class WorkerEnd:
    """What a worker has of its supervisor."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._supervisor = os.getppid()
        self._writer: asyncio.StreamWriter | None = None
        self._answering: asyncio.Task[None] | None = None
        self._vitals: Vitals | None = None
        self.marks = HighWaterMarks()
        self.marks.listen(lambda risen: self._send({"marks": dict(risen)}))

    async def follow(self, stopping: asyncio.Event, *, seconds_to_end: float) -> None:
        """From now on `stopping` is set when the supervisor asks for the end, or is gone.

        The marks that the supervisor had at the worker's start are known.
        A worker that has not ended `seconds_to_end` afterwards is ended by the kernel.
        """
        reader, self._writer = await asyncio.open_connection(sock=self._socket.dup())
        if first := await reader.readline():
            self._hear(json.loads(first))
        self._answering = asyncio.create_task(self._answer(reader, stopping, seconds_to_end))

    def serve(self, vitals: Vitals) -> None:
        """The supervisor knows that this worker serves, and may ask for its vitals."""
        self._vitals = vitals
        self._send({"serving": True})

    def refuse(self, problems: Sequence[str]) -> None:
        """The supervisor knows why this worker cannot start. Needs no event loop."""
        self._socket.sendall(_line({"problems": list(problems)}))

    async def _answer(
        self, reader: asyncio.StreamReader, stopping: asyncio.Event, seconds_to_end: float
    ) -> None:
        try:
            async for line in reader:
                message = json.loads(line)
                if self._hear(message):
                    continue
                question = message["ask"]
                self._send({"answer": await self._told(question), "of": question})
        except OSError as error:
            _log.debug("link broken", reason=type(error).__name__)
        if os.getppid() != self._supervisor:
            _log.warning("the supervisor is gone; draining")
        signal.alarm(max(1, int(seconds_to_end)))
        stopping.set()

    def _hear(self, message: dict[str, Any]) -> bool:
        """Whether the message tells marks, which are noted then."""
        if "marks" in message:
            self.marks.note(message["marks"])
        return "marks" in message

    async def _told(self, question: str) -> Any:
        if self._vitals is None:
            return None
        if question == METRICS:
            return (await self._vitals.metrics()).decode()
        return list(await self._vitals.failing())

    def _send(self, message: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(_line(message))


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
