"""Questions of many callers asked together, one batch after another.

- A question joins a batch only before that batch is sent, so whatever answers it was read after
  it was asked. Who asks while a batch is under way shares the next one.
- When nothing is under way a question is sent at once: together with those of the same moment,
  and without a timer.
- A batch that takes long holds up the next one for a bounded time only.
- Who was just answered often asks again at once. A small batch that could follow is held for
  them, for a moment: or those who ask again and again would go in two halves by turns, and each
  half would cost as much as the whole. It is held rarely where nobody comes.
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

LONGEST_PAUSE = 63  # batches, after a few were held in vain


@dataclass(frozen=True, slots=True)
class Pace:
    """How large batches are, and how they follow one another. Times in seconds."""

    batch_size: int  # of all its questions together; a larger question goes alone
    batches_at_once: int
    patience_seconds: float  # that a batch under way is waited for before another begins
    batch_seconds: float  # that a batch may take
    company: int = 0  # a batch of fewer questions is held for those just answered
    company_seconds: float = 0  # for so long at most


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


class _Company:
    """For how many questions a batch is held when another has ended."""

    __slots__ = ("_enough", "_pause", "_pauses")

    def __init__(self, enough: int) -> None:
        self._enough = enough
        self._pause = self._pauses = 0  # how many batches are not held any more, and will be

    def wanted(self, answered: int, waiting: int) -> int:
        """So many, if those who were answered ask again; 0 if the batch is to begin at once."""
        if waiting >= self._enough:
            return 0
        if self._pause:
            self._pause -= 1
            return 0
        return min(self._enough, waiting + answered)

    def came(self) -> None:
        """A batch was held until there were as many as wanted."""
        self._pauses = 0

    def stayed_away(self) -> None:
        """A batch was held in vain: for a while others are not."""
        self._pauses = min(2 * self._pauses + 1, LONGEST_PAUSE)
        self._pause = self._pauses


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
        self._waiting = 0  # in all lines together
        self._company = _Company(pace.company)
        self._held_for = 0  # questions, if the next batch is held for company
        self._under_way: set[asyncio.Task[None]] = set()
        self._begun_at = 0.0  # when the latest batch was sent
        self._latest = 0  # how many questions it had
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
        self._waiting += 1
        if self._held_for:
            self._release_if_enough()
        else:
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
        if line is not None and waiting in line:
            del line[waiting]
            self._waiting -= 1
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
            self._latest = len(batch)
            task = loop.create_task(self._run(batch))
            self._under_way.add(task)
            task.add_done_callback(self._end, context=self._context)
        self._arrange_next()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._lines and not self._under_way:
            self._held_for = self._company.wanted(self._latest, self._waiting)
        if self._held_for:
            loop = asyncio.get_running_loop()
            seconds = self._pace.company_seconds
            self._next = loop.call_later(seconds, self._hold_no_longer, context=self._context)
        else:
            self._arrange_next()

    def _release_if_enough(self) -> None:
        if self._waiting >= self._held_for and self._next is not None:
            self._next.cancel()
            self._next = None
            self._held_for = 0
            self._company.came()
            self._arrange_next()

    def _hold_no_longer(self) -> None:
        self._held_for = 0
        self._company.stayed_away()
        self._begin()

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
            self._waiting -= 1
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
