"""Questions of many callers asked together, one batch after another.

- A question joins a batch only before that batch is sent, so whatever answers it was read after
  it was asked. Who asks while a batch is under way shares the next one.
- When nothing is under way a question is sent at once: together with those of the same moment,
  and without a timer.
- A batch that takes long holds up the next one for a bounded time only.
- Questions wait in lines, and a batch is filled from all lines in turn: a long line is no
  reason to wait in a short one.
- A batch belongs to nobody: it has a deadline of its own, goes on when one who waits for it
  leaves, and fails for those in it and for nobody else.

How many may wait is for the caller to bound: the server admits so many calls, and each waits
with one question at a time.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis import deadline
from chassis.errors import DeadlineExceededError, KnownError, UnavailableError

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Pace:
    """How large batches are, and how they follow one another. Times in seconds."""

    batch_size: int  # of all its questions together; a larger question goes alone
    batches_at_once: int
    patience_seconds: float  # that a batch under way is waited for before another begins
    batch_seconds: float  # that a batch may take


@dataclass(frozen=True, slots=True)
class Sorting(Generic[Q]):
    """What a question weighs, and in which line it waits."""

    size: Callable[[Q], int]
    line: Callable[[Q], Hashable]


class BrokenBatchError(Exception):
    """A bug: a batch failed with what is no KnownError, or answered other questions."""


class _Waiting(Generic[Q, A]):
    """A question that is in no batch yet, and the caller who waits for its answer."""

    __slots__ = ("answer", "expires_at", "question", "size")

    def __init__(self, question: Q, size: int) -> None:
        loop = asyncio.get_running_loop()
        remaining = deadline.remaining_seconds()
        self.question = question
        self.size = size
        self.answer: asyncio.Future[A] = loop.create_future()
        self.expires_at = None if remaining is None else loop.time() + remaining

    def left(self, now: float) -> bool:
        """Whether nobody waits for the answer any more; whoever is late is told so."""
        if self.expires_at is not None and now >= self.expires_at and not self.answer.done():
            self.answer.set_exception(DeadlineExceededError())
        return self.answer.done()

    def answered(self, answer: A) -> None:
        """Whoever waits has the answer."""
        if not self.answer.done():
            self.answer.set_result(answer)

    def failed(self, cause: BaseException) -> None:
        """Each gets an error of its own: a shared one would collect the tracks of all."""
        if not self.answer.done():
            error = _told(cause)
            error.__cause__ = cause
            self.answer.set_exception(error)


def _told(cause: BaseException) -> Exception:
    match cause:
        case KnownError():
            return UnavailableError(cause.message)
        case TimeoutError() | asyncio.CancelledError():
            return UnavailableError("no answer came in time")
        case _:
            return BrokenBatchError()


Line = OrderedDict[_Waiting[Q, A], None]


class Coalescer(Generic[Q, A]):
    """Asks for many at once. `ask` answers every question of a batch, in order."""

    def __init__(
        self,
        ask: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        sorting: Sorting[Q],
        pace: Pace,
    ) -> None:
        self._ask = ask
        self._sorting = sorting
        self._pace = pace
        self._lines: OrderedDict[Hashable, Line[Q, A]] = OrderedDict()  # none is empty
        self._under_way: set[asyncio.Task[None]] = set()
        self._begun_at = 0.0  # when the latest batch was sent
        self._next: asyncio.Handle | None = None  # what will begin the next one
        # No batch runs in the context of a caller: not with its deadline, nor with its id.
        self._context = Context()

    async def ask(self, question: Q) -> A:
        """The answer, read after this was called.

        Raises UnavailableError if the batch failed, DeadlineExceededError if the caller's time
        was up before the question was sent, BrokenBatchError.
        """
        waiting: _Waiting[Q, A] = _Waiting(question, self._sorting.size(question))
        name = self._sorting.line(question)
        self._lines.setdefault(name, OrderedDict())[waiting] = None
        self._arrange_next()
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            self._leave(name, waiting)
            raise

    def _leave(self, name: Hashable, waiting: _Waiting[Q, A]) -> None:
        if not waiting.answer.cancelled() and waiting.answer.done():
            waiting.answer.exception()  # seen, though nobody is told
        line = self._lines.get(name)
        if line is not None:
            line.pop(waiting, None)
            if not line:
                del self._lines[name]

    def _arrange_next(self) -> None:
        """The next batch will begin as soon as it may, if anyone waits for it."""
        if self._next is not None or not self._lines:
            return
        loop = asyncio.get_running_loop()
        if not self._under_way:
            self._next = loop.call_soon(self._begin, context=self._context)
        elif len(self._under_way) < self._pace.batches_at_once:
            due_at = self._begun_at + self._pace.patience_seconds
            self._next = loop.call_at(due_at, self._begin, context=self._context)

    def _begin(self) -> None:
        self._next = None
        loop = asyncio.get_running_loop()
        batch = self._filled(loop.time())
        if batch:
            self._begun_at = loop.time()
            task = loop.create_task(self._run(batch))
            self._under_way.add(task)
            task.add_done_callback(self._end, context=self._context)
        self._arrange_next()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._arrange_next()

    def _filled(self, now: float) -> list[_Waiting[Q, A]]:
        """The next batch; those in it wait in no line any more."""
        batch: list[_Waiting[Q, A]] = []
        room = self._pace.batch_size
        while self._lines:
            name, line = next(iter(self._lines.items()))
            waiting = next(iter(line))
            if batch and waiting.size > room:
                break
            del line[waiting]
            if line:
                self._lines.move_to_end(name)
            else:
                del self._lines[name]
            if not waiting.left(now):
                batch.append(waiting)
                room -= waiting.size
        return batch

    async def _run(self, batch: Sequence[_Waiting[Q, A]]) -> None:
        """Everyone in the batch is answered, or told that it failed. Raises nothing."""
        seconds = self._pace.batch_seconds
        try:
            async with asyncio.timeout(seconds):
                with deadline.bound(seconds):
                    answers = await self._ask([waiting.question for waiting in batch])
            for waiting, answer in [*zip(batch, answers, strict=True)]:  # or nobody is answered
                waiting.answered(answer)
        except BaseException as error:  # a task that is cancelled, too, leaves nobody waiting
            for waiting in batch:
                waiting.failed(error)
            if not isinstance(error, Exception):
                raise
