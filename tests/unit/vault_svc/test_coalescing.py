"""Which questions are asked together, when, and whom it concerns if something goes wrong."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import deadline
from chassis.errors import DeadlineExceededError, NotFoundError, UnavailableError
from chassis.request_id import bind_request_id, current_request_id
from vault_svc.use_cases.coalescing import BrokenBatchError, Coalescer, Pace, Sorting

T = TypeVar("T")

FOR_EVER = 3600.0


class Question(NamedTuple):
    text: str
    caller: str = "a"
    size: int = 1


@dataclass
class Batch:
    """What was asked together; it is under way until it is answered or fails."""

    questions: tuple[Question, ...]
    deadline_seconds: float | None
    request_id: str | None
    outcome: asyncio.Future[Sequence[str]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def texts(self) -> list[str]:
        return [question.text for question in self.questions]

    @property
    def callers(self) -> list[str]:
        return [question.caller for question in self.questions]

    def answer(self) -> None:
        self.outcome.set_result([text.upper() for text in self.texts])

    def fail(self, error: BaseException) -> None:
        self.outcome.set_exception(error)


class Peer:
    """Is asked, and answers when a test says so."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    async def ask(self, questions: Sequence[Question]) -> Sequence[str]:
        batch = Batch(tuple(questions), deadline.remaining_seconds(), current_request_id())
        self.batches.append(batch)
        return await batch.outcome

    @property
    def asked(self) -> list[list[str]]:
        return [batch.texts for batch in self.batches]

    async def answer_everything(self) -> None:
        for batch in self.batches:  # grows while the answers let others begin
            if not batch.outcome.done():
                batch.answer()
            await settled()


@pytest.fixture
def peer() -> Peer:
    return Peer()


def coalescer(
    peer: Peer,
    *,
    size: int = 4,
    at_once: int = 1,
    patience: float = FOR_EVER,
    seconds: float = FOR_EVER,
    company: int = 0,
    held: float = FOR_EVER,
) -> Coalescer[Question, str]:
    pace = Pace(
        batch_size=size,
        batches_at_once=at_once,
        patience_seconds=patience,
        batch_seconds=seconds,
        company=company,
        company_seconds=held,
    )
    return Coalescer(peer.ask, Sorting(lambda q: q.size, lambda q: q.caller), pace)


async def settled() -> None:
    """Whatever can happen without anyone's doing has happened."""
    for _ in range(10):
        await asyncio.sleep(0)


async def asking(
    asked: Coalescer[Question, str], *questions: Question | str
) -> list[asyncio.Task[str]]:
    """Questions on their way, one after another; what can happen has happened."""
    tasks = [
        asyncio.create_task(asked.ask(q if isinstance(q, Question) else Question(q)))
        for q in questions
    ]
    await settled()
    return tasks


async def outcomes(tasks: Sequence[Awaitable[T]]) -> list[T | BaseException]:
    return await asyncio.gather(*tasks, return_exceptions=True)


def timers() -> list[asyncio.TimerHandle]:
    loop = asyncio.get_running_loop()
    return [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]  # asyncio's own loop


async def test_alone_a_question_is_asked_at_once_and_answered(peer: Peer) -> None:
    (task,) = await asking(coalescer(peer), "x")

    assert peer.asked == [["x"]]
    peer.batches[0].answer()
    assert await task == "X"


async def test_alone_a_question_costs_no_timer_but_that_of_the_batch(peer: Peer) -> None:
    (task,) = await asking(coalescer(peer), "x")

    assert len(timers()) == 1

    peer.batches[0].answer()
    await task
    assert timers() == []


async def test_questions_of_the_same_moment_are_asked_together(peer: Peer) -> None:
    tasks = await asking(coalescer(peer), "x", "y", "z")

    assert peer.asked == [["x", "y", "z"]]
    peer.batches[0].answer()
    assert await outcomes(tasks) == ["X", "Y", "Z"]


async def test_who_asks_while_a_batch_is_under_way_shares_the_next_one(peer: Peer) -> None:
    asked = coalescer(peer)
    first = await asking(asked, "x")
    second = [*await asking(asked, "y"), *await asking(asked, "z")]

    assert peer.asked == [["x"]]
    peer.batches[0].answer()
    await settled()
    assert peer.asked == [["x"], ["y", "z"]]

    peer.batches[1].answer()
    assert await outcomes(first + second) == ["X", "Y", "Z"]


async def test_the_same_question_asked_again_is_asked_again(peer: Peer) -> None:
    asked = coalescer(peer)
    early = await asking(asked, "x")
    late = await asking(asked, "x")

    peer.batches[0].outcome.set_result(["from before"])
    await settled()
    peer.batches[1].outcome.set_result(["from after"])

    assert await outcomes(early + late) == ["from before", "from after"]


async def test_a_batch_that_was_filled_is_joined_by_nobody_though_it_is_not_sent_yet(
    peer: Peer,
) -> None:
    asked = coalescer(peer)
    early = asyncio.create_task(asked.ask(Question("x")))
    while not asked._under_way:  # noqa: ASYNC110  # between two ticks there is no event
        await asyncio.sleep(0)
    late = asyncio.create_task(asked.ask(Question("y")))
    await settled()

    assert peer.asked == [["x"]]
    await peer.answer_everything()
    assert await outcomes([early, late]) == ["X", "Y"]


async def test_a_batch_holds_no_more_than_its_size(peer: Peer) -> None:
    asked = coalescer(peer, size=4)
    tasks = await asking(asked, *(Question(t, size=2) for t in "vwxyz"))
    await peer.answer_everything()

    assert peer.asked == [["v", "w"], ["x", "y"], ["z"]]
    assert await outcomes(tasks) == list("VWXYZ")


async def test_a_question_larger_than_a_batch_goes_alone(peer: Peer) -> None:
    tasks = await asking(coalescer(peer, size=4), "x", Question("y", size=9), "z")
    await peer.answer_everything()

    assert peer.asked == [["x"], ["y"], ["z"]]
    assert await outcomes(tasks) == ["X", "Y", "Z"]


async def test_a_long_line_delays_another_caller_by_one_batch(peer: Peer) -> None:
    asked = coalescer(peer, size=4)
    crowd = await asking(asked, *(Question("c", "crowd") for _ in range(10_000)))
    single = await asking(asked, Question("s", "single"))

    peer.batches[0].answer()
    await settled()

    assert [batch.callers for batch in peer.batches[:2]] == [
        ["crowd"] * 4,
        ["crowd", "single", "crowd", "crowd"],
    ]
    await peer.answer_everything()
    assert set(await outcomes(crowd)) == {"C"}
    assert await outcomes(single) == ["S"]


async def test_the_turn_goes_on_where_the_last_batch_stopped(peer: Peer) -> None:
    asked = coalescer(peer, size=2)
    tasks = await asking(
        asked, *(Question(caller, caller) for caller in "abc" for _ in range(4))
    )
    await peer.answer_everything()

    asked_callers = [caller for batch in peer.batches for caller in batch.callers]
    assert asked_callers == list("abcabcabcabc")
    assert len(await outcomes(tasks)) == 12


async def test_within_a_line_who_came_first_is_asked_first(peer: Peer) -> None:
    asked = coalescer(peer, size=1)
    await asking(asked, "v")
    tasks = [*await asking(asked, "x"), *await asking(asked, "y"), *await asking(asked, "z")]
    await peer.answer_everything()

    assert peer.asked == [["v"], ["x"], ["y"], ["z"]]
    assert await outcomes(tasks) == ["X", "Y", "Z"]


async def test_while_patience_lasts_the_next_batch_waits(peer: Peer) -> None:
    asked = coalescer(peer, at_once=4, patience=FOR_EVER)
    await asking(asked, "x")
    await asking(asked, "y")

    assert peer.asked == [["x"]]


async def test_when_patience_is_over_the_next_batch_begins_but_only_so_many(
    peer: Peer,
) -> None:
    asked = coalescer(peer, at_once=3, patience=0)
    tasks = []
    for text in "vwxyz":
        tasks += await asking(asked, text)
        await due_timers_have_run()

    assert peer.asked == [["v"], ["w"], ["x"]]

    peer.batches[1].answer()
    await settled()
    await due_timers_have_run()
    assert peer.asked == [["v"], ["w"], ["x"], ["y", "z"]]

    await peer.answer_everything()
    assert await outcomes(tasks) == list("VWXYZ")


async def test_a_small_batch_is_held_until_those_just_answered_have_asked_again(
    peer: Peer,
) -> None:
    asked = coalescer(peer, company=4)
    tasks = await asking(asked, "v", "w")
    tasks += await asking(asked, "x")

    peer.batches[0].answer()
    await settled()
    tasks += await asking(asked, "y")
    assert peer.asked == [["v", "w"]]
    tasks += await asking(asked, "z")
    assert peer.asked == [["v", "w"], ["x", "y", "z"]]

    await peer.answer_everything()
    assert await outcomes(tasks) == list("VWXYZ")


async def test_a_batch_with_company_enough_is_not_held(peer: Peer) -> None:
    asked = coalescer(peer, company=2)
    await asking(asked, "v", "w")
    await asking(asked, "x", "y")

    peer.batches[0].answer()
    await settled()

    assert peer.asked == [["v", "w"], ["x", "y"]]


async def test_a_batch_is_held_for_a_moment_only_and_then_others_are_not(peer: Peer) -> None:
    asked = coalescer(peer, company=4, held=0.01)
    for text in "wxyz":
        await asking(asked, text)

    peer.batches[0].answer()
    await settled()
    assert peer.asked == [["w"]]
    await asyncio.sleep(0.02)
    assert peer.asked == [["w"], ["x", "y", "z"]]

    await asking(asked, "next")
    peer.batches[1].answer()
    await settled()
    assert peer.asked[2:] == [["next"]]


async def test_a_batch_of_which_all_have_left_while_it_was_held_is_not_asked(
    peer: Peer,
) -> None:
    asked = coalescer(peer, company=4, held=0.01)
    await asking(asked, "x")
    (leaves,) = await asking(asked, "y")
    peer.batches[0].answer()
    await settled()

    leaves.cancel()
    await asyncio.sleep(0.02)
    await asking(asked, "z")

    assert peer.asked == [["x"], ["z"]]


async def test_with_nothing_under_way_no_question_is_held(peer: Peer) -> None:
    asked = coalescer(peer, company=4)
    await asking(asked, "x")
    await peer.answer_everything()

    await asking(asked, "y")

    assert peer.asked == [["x"], ["y"]]


async def test_who_leaves_before_the_batch_is_sent_is_not_asked_for(peer: Peer) -> None:
    asked = coalescer(peer)
    first = await asking(asked, "x")
    leaves, stays = await asking(asked, "y", "z")

    leaves.cancel()
    await settled()
    await peer.answer_everything()

    assert peer.asked == [["x"], ["z"]]
    assert leaves.cancelled()
    assert await outcomes([*first, stays]) == ["X", "Z"]


async def test_when_all_have_left_nothing_is_asked(peer: Peer) -> None:
    asked = coalescer(peer)
    first = await asking(asked, "x")
    for task in await asking(asked, "y", "z"):
        task.cancel()
    await settled()
    await peer.answer_everything()

    assert peer.asked == [["x"]]
    assert await outcomes(first) == ["X"]


async def test_who_leaves_after_the_batch_is_sent_is_missed_by_nobody(peer: Peer) -> None:
    asked = coalescer(peer)
    leaves, stays = await asking(asked, "x", "y")

    leaves.cancel()
    await settled()
    peer.batches[0].answer()

    assert await stays == "Y"
    assert leaves.cancelled()


async def test_who_is_late_before_the_batch_is_sent_is_told_so_and_not_asked_for(
    peer: Peer,
) -> None:
    asked = coalescer(peer)
    first = await asking(asked, "x")
    with deadline.bound(0):
        late = await asking(asked, "y")
    in_time = await asking(asked, "z")
    await peer.answer_everything()

    assert peer.asked == [["x"], ["z"]]
    (error,) = await outcomes(late)
    assert isinstance(error, DeadlineExceededError)
    assert await outcomes(first + in_time) == ["X", "Z"]


async def test_who_is_late_after_the_batch_is_sent_is_missed_by_nobody(peer: Peer) -> None:
    asked = coalescer(peer)
    (stays,) = await asking(asked, "x")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asked.ask(Question("y"))
    await peer.answer_everything()

    assert await stays == "X"


async def test_a_batch_has_neither_deadline_nor_id_of_whoever_asks(peer: Peer) -> None:
    asked = coalescer(peer, seconds=1800)
    with deadline.bound(0.5 * FOR_EVER), bind_request_id("of-the-caller"):
        tasks = await asking(asked, "x")
    with deadline.bound(FOR_EVER):
        tasks += await asking(asked, "y")
    await peer.answer_everything()

    for batch in peer.batches:
        assert batch.request_id is None
        assert batch.deadline_seconds == pytest.approx(1800, rel=0.1)
    assert await outcomes(tasks) == ["X", "Y"]


async def test_a_batch_that_fails_is_unavailable_to_those_in_it_and_to_nobody_else(
    peer: Peer,
) -> None:
    asked = coalescer(peer)
    failed = await asking(asked, "x", "y")
    after = await asking(asked, "z")

    peer.batches[0].fail(NotFoundError("a refusal"))
    await settled()
    peer.batches[1].answer()

    errors = await outcomes(failed)
    assert [type(error) for error in errors] == [UnavailableError] * 2
    assert errors[0] is not errors[1]
    assert await outcomes(after) == ["Z"]


async def test_a_batch_that_takes_too_long_is_unavailable_and_the_next_one_works(
    peer: Peer,
) -> None:
    asked = coalescer(peer, seconds=0)
    (slow,) = await asking(asked, "x")

    with pytest.raises(UnavailableError):
        await slow
    assert peer.batches[0].outcome.cancelled()


@pytest.mark.parametrize("answers", [[], ["X"], ["X", "Y", "Z"]])
async def test_a_batch_that_is_answered_with_too_few_or_too_many_is_nobodys_answer(
    peer: Peer, answers: list[str]
) -> None:
    tasks = await asking(coalescer(peer), "x", "y")
    peer.batches[0].outcome.set_result(answers)

    errors = await outcomes(tasks)
    assert all(isinstance(error, BrokenBatchError) for error in errors)


async def test_a_bug_is_not_taken_for_an_outage(peer: Peer) -> None:
    (task,) = await asking(coalescer(peer), "x")
    peer.batches[0].fail(KeyError("a bug"))

    with pytest.raises(BrokenBatchError) as error:
        await task
    assert isinstance(error.value.__cause__, KeyError)


async def test_a_batch_that_is_cancelled_leaves_nobody_waiting(peer: Peer) -> None:
    asked = coalescer(peer)
    (task,) = await asking(asked, "x")
    for batch in asked._under_way:
        batch.cancel()

    with pytest.raises(UnavailableError):
        await task


async def test_nothing_is_left_of_what_was_answered_failed_or_given_up(peer: Peer) -> None:
    asked = coalescer(peer, at_once=2)
    answered = await asking(asked, "v")
    waiting, given_up = await asking(asked, Question("w", "b"), Question("x", "c"))
    given_up.cancel()
    await settled()
    peer.batches[0].answer()
    await settled()
    peer.batches[1].fail(UnavailableError())
    await outcomes([*answered, waiting, given_up])
    await settled()

    assert (dict(asked._lines), asked._under_way, asked._next) == ({}, set(), None)
    assert timers() == []
    left = weakref.ref(answered[0])
    del answered, waiting, given_up, peer.batches[:]
    gc.collect()
    assert left() is None


async def due_timers_have_run() -> None:
    """Those that were due when this was called."""
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_at(loop.time(), passed.set_result, None)
    await passed
    await settled()


class Arrival(NamedTuple):
    caller: str
    size: int


class Departure(NamedTuple):
    who: int


class Answered(NamedTuple):
    batch: int


class Failed(NamedTuple):
    batch: int


numbers = st.integers(0, 30)
happenings = st.one_of(
    st.builds(Arrival, st.sampled_from("abc"), st.integers(1, 6)),
    st.builds(Departure, numbers),
    st.builds(Answered, numbers),
    st.builds(Failed, numbers),
)


@dataclass
class History:
    """What happens to one coalescer, moment by moment; each answer says when it was read."""

    patience: float
    at_once: int
    company: int
    moment: int = 0
    sent: list[tuple[int, tuple[Question, ...], asyncio.Future[Sequence[str]]]] = field(
        default_factory=list
    )
    arrivals: list[tuple[int, asyncio.Task[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        pace = Pace(4, self.at_once, self.patience, FOR_EVER, self.company)
        sorting: Sorting[Question] = Sorting(lambda q: q.size, lambda q: q.caller)
        self.coalescer: Coalescer[Question, str] = Coalescer(self.ask, sorting, pace)

    async def ask(self, questions: Sequence[Question]) -> Sequence[str]:
        under_way = [answer for _, _, answer in self.sent if not answer.done()]
        assert len(under_way) < self.at_once
        assert len(questions) == 1 or sum(q.size for q in questions) <= 4
        answer: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        self.sent.append((self.moment, tuple(questions), answer))
        return await answer

    async def happens(self, happening: object) -> None:
        self.moment += 1
        match happening:
            case Arrival(caller, size):
                question = Question(str(len(self.arrivals)), caller, size)
                task = asyncio.create_task(self.coalescer.ask(question))
                self.arrivals.append((self.moment, task))
            case Departure(who) if self.arrivals:
                self.arrivals[who % len(self.arrivals)][1].cancel()
            case Answered(batch):
                self.end(batch, None)
            case Failed(batch):
                self.end(batch, UnavailableError("failed"))
        await settled()

    def end(self, number: int, error: Exception | None) -> None:
        open_ones = [one for one in self.sent if not one[2].done()]
        if open_ones:
            read_at, questions, answer = open_ones[number % len(open_ones)]
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result([f"{question.text} {read_at}" for question in questions])

    async def ends(self) -> None:
        while any(not answer.done() for _, _, answer in self.sent):
            await self.happens(Answered(0))


@given(
    st.lists(happenings, max_size=40),
    st.sampled_from([0, FOR_EVER]),
    st.integers(1, 3),
    st.integers(0, 3),
)
def test_whatever_happens_everyone_is_answered_once_by_what_was_read_after_he_asked(
    listed: list[object], patience: float, at_once: int, company: int
) -> None:
    async def run() -> None:
        history = History(patience, at_once, company)
        for happening in listed:
            await history.happens(happening)
        await history.ends()
        asked = [q.text for _, questions, _ in history.sent for q in questions]
        assert len(asked) == len(set(asked))
        for number, (arrived_at, task) in enumerate(history.arrivals):
            assert task.done()
            if not task.cancelled() and task.exception() is None:
                who, read_at = task.result().split()
                assert (who, int(read_at) >= arrived_at) == (str(number), True)
        coalescer = history.coalescer
        left = (dict(coalescer._lines), coalescer._under_way, coalescer._waiting)
        assert left == ({}, set(), 0)

    asyncio.run(run())
