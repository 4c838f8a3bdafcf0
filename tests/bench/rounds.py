"""Cases measured in turn, round after round, so that what is compared shares the machine.

A figure is the median over the rounds; a ratio is the median of the rounds' own ratios. The
order is turned round in every second round: what comes first has no advantage.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

from tests.bench.counting import Sample
from tests.bench.tables import Effort

K = TypeVar("K", bound=Hashable)

# Given how many seconds to take, a case answers one sample or several by their keys.
Case = Callable[[float], Awaitable[Mapping[K, Sample]]]
Figure = Callable[[Sample], float]

WARM_UP_SECONDS = 0.5


def speed(sample: Sample) -> float:
    return sample.measurement.requests_per_second


def p50_ms(sample: Sample) -> float:
    return sample.measurement.p50_ms


def p99_ms(sample: Sample) -> float:
    return sample.measurement.p99_ms


def cpu_ms(sample: Sample) -> float:
    return sample.cpu_ms


@dataclass(frozen=True, slots=True)
class Rounds(Generic[K]):
    """The samples of every round."""

    samples: Sequence[Mapping[K, Sample]]

    def median(self, key: K, figure: Figure) -> float:
        return median(figure(samples[key]) for samples in self.samples)

    def ratio(self, key: K, control: K, figure: Figure = speed) -> float:
        return median(
            figure(samples[key]) / figure(samples[control]) for samples in self.samples
        )

    def not_ok(self, *keys: K) -> int:
        """All calls that went wrong, of all rounds."""
        return sum(samples[key].not_ok for samples in self.samples for key in keys)


async def in_turn(effort: Effort, cases: Sequence[Case[K]]) -> Rounds[K]:
    """Every case in every round; warmed up before the first, but for a quick run."""
    if not effort.quick:
        for case in cases:
            await case(WARM_UP_SECONDS)
    rounds = []
    for number in range(effort.rounds):
        samples: dict[K, Sample] = {}
        for case in cases if number % 2 == 0 else reversed(cases):
            samples |= await case(effort.seconds)
        rounds.append(samples)
    return Rounds(rounds)
