"""How many credentials one source may have verified in vain."""

import pytest

from chassis.errors import ResourceExhaustedError
from chassis.verification_budget import REMEMBERED_SOURCES, VerificationBudget


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> VerificationBudget:
    return VerificationBudget(clock, failures_per_second=2, burst=3)


def allowed(budget: VerificationBudget, source: str) -> int:
    """How many verifications in a row are paid for."""
    for count in range(100):
        try:
            budget.spend(source)
        except ResourceExhaustedError:
            return count
    return 100


def test_a_source_may_fail_as_often_as_the_burst_allows(budget: VerificationBudget) -> None:
    assert allowed(budget, "192.0.2.1") == 3


def test_another_source_is_not_hindered(budget: VerificationBudget) -> None:
    allowed(budget, "192.0.2.1")

    assert allowed(budget, "192.0.2.2") == 3


def test_the_budget_grows_again_to_the_burst_and_not_beyond(
    budget: VerificationBudget, clock: Clock
) -> None:
    allowed(budget, "192.0.2.1")
    clock.now += 1
    assert allowed(budget, "192.0.2.1") == 2
    clock.now += 1_000
    assert allowed(budget, "192.0.2.1") == 3


def test_who_is_refused_does_not_wait_longer_for_asking_again(
    budget: VerificationBudget, clock: Clock
) -> None:
    for _ in range(50):
        allowed(budget, "192.0.2.1")
    clock.now += 1

    assert allowed(budget, "192.0.2.1") == 2


def test_a_valid_credential_costs_nothing(budget: VerificationBudget) -> None:
    for _ in range(50):
        budget.spend("192.0.2.1")
        budget.refund("192.0.2.1")

    assert allowed(budget, "192.0.2.1") == 3


def test_no_more_sources_are_remembered_than_may_be(budget: VerificationBudget) -> None:
    for number in range(2 * REMEMBERED_SOURCES):
        budget.spend(str(number))

    assert len(budget._left) == REMEMBERED_SOURCES  # memory that grows is what this is about
