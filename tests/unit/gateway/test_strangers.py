"""What one source, and all together, may take before their credentials are accepted."""

from contextlib import ExitStack, suppress

import pytest

from chassis.errors import (
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
)
from chassis.sensitive import Sensitive
from gateway.edge.strangers import (
    BURST_SECONDS,
    KNOWN_SECONDS,
    MOST_KNOWN,
    MOST_SOURCES,
    StrangerBounds,
    Strangers,
)
from gateway.errors import BadRequestError

HERE, THERE = "192.0.2.1", "192.0.2.2"
BURST = int(2 * BURST_SECONDS)


class Watched:
    """Strangers on a clock of the test's own."""

    def __init__(self, **changed: float) -> None:
        bounds: dict[str, float] = {"together": 100, "per_source": 50} | changed
        self.now = 0.0
        self.reasons: list[str] = []
        self.strangers = Strangers(
            StrangerBounds(
                int(bounds["together"]),
                int(bounds["per_source"]),
                bounds.get("refusals_per_second", 2),
                bounds.get("refusals_together", 1e9),
            ),
            refused=self.reasons.append,
            now=lambda: self.now,
        )

    def ask(self, host: str, token: str, outcome: Exception | None = None) -> None:
        """A request that ends so; without an error its credential is accepted."""
        with self.strangers.request(host, Sensitive(token)) as introduction:
            if outcome is not None:
                raise outcome
            introduction.accept()

    def be_refused(self, host: str, times: int) -> None:
        for number in range(times):
            with suppress(UnauthenticatedError):
                self.ask(host, f"junk-{number}", UnauthenticatedError())


def test_a_source_whose_credentials_are_refused_has_to_wait() -> None:
    watched = Watched()
    watched.be_refused(HERE, BURST)
    with pytest.raises(ResourceExhaustedError):
        watched.ask(HERE, "another")

    watched.ask(THERE, "another")
    watched.now += 0.5
    watched.ask(HERE, "a third")

    assert watched.reasons == ["refused_credentials"]


def test_all_sources_together_have_a_bound_on_refusals_too() -> None:
    """To the services, every client of the gateway has the gateway's address."""
    watched = Watched(refusals_together=10)
    for number in range(int(10 * BURST_SECONDS)):
        watched.be_refused(f"198.51.100.{number}", 1)

    with pytest.raises(ResourceExhaustedError):
        watched.ask(HERE, "new")
    watched.now += 0.1
    watched.ask(HERE, "new")


def test_a_proxy_has_the_bound_of_all_sources() -> None:
    watched = Watched(refusals_per_second=0, refusals_together=10)
    watched.be_refused(HERE, int(10 * BURST_SECONDS))

    with pytest.raises(ResourceExhaustedError):
        watched.ask(HERE, "new")


def test_addresses_of_one_network_are_one_source() -> None:
    watched = Watched()
    watched.be_refused("2001:db8::1", BURST)

    with pytest.raises(ResourceExhaustedError):
        watched.ask("2001:db8::2", "another")


@pytest.mark.parametrize("outcome", [None, NotFoundError()])
def test_a_credential_that_was_accepted_is_not_hindered(outcome: Exception | None) -> None:
    watched = Watched()
    with suppress(NotFoundError):
        watched.ask(HERE, "mine", outcome)
    watched.be_refused(HERE, BURST)

    for _ in range(2 * BURST):
        watched.ask(HERE, "mine")


def test_a_credential_is_known_no_longer_once_it_is_refused_or_some_time_has_passed() -> None:
    watched = Watched()
    watched.ask(HERE, "revoked")
    watched.ask(HERE, "old")
    with pytest.raises(UnauthenticatedError):
        watched.ask(HERE, "revoked", UnauthenticatedError())
    watched.be_refused(HERE, BURST)
    with pytest.raises(ResourceExhaustedError):
        watched.ask(HERE, "revoked")

    watched.now += KNOWN_SECONDS
    watched.be_refused(HERE, BURST)
    with pytest.raises(ResourceExhaustedError):
        watched.ask(HERE, "old")


@pytest.mark.parametrize("outcome", [BadRequestError(), PermissionDeniedError()])
def test_what_fails_for_another_reason_costs_a_source_nothing(outcome: Exception) -> None:
    watched = Watched()
    for _ in range(2 * BURST):
        with pytest.raises(type(outcome)):
            watched.ask(HERE, "mine", outcome)


def test_a_client_that_leaves_before_it_is_refused_has_paid() -> None:
    watched = Watched()
    for number in range(BURST):
        with pytest.raises(RuntimeError):
            watched.ask(HERE, f"junk-{number}", RuntimeError("gone"))

    with pytest.raises(ResourceExhaustedError):
        watched.ask(HERE, "another")


def test_strangers_have_a_part_of_the_places_by_source_and_together() -> None:
    watched = Watched(together=3, per_source=2)
    with ExitStack() as held:
        for host, token in ((HERE, "a"), (HERE, "b"), (THERE, "c")):
            held.enter_context(watched.strangers.request(host, Sensitive(token)))
        for host in (HERE, "192.0.2.3"):
            with pytest.raises(ResourceExhaustedError):
                watched.ask(host, "d")

    watched.ask(HERE, "d")

    assert watched.reasons == ["strangers", "strangers"]


def test_a_caller_who_is_accepted_holds_no_strangers_place() -> None:
    watched = Watched(together=1, per_source=1)
    with watched.strangers.request(HERE, Sensitive("mine")) as introduction:
        introduction.accept()
        introduction.accept()
        watched.ask(HERE, "another")


def test_without_a_bound_on_refusals_a_source_may_be_a_proxy() -> None:
    watched = Watched(together=3, per_source=1, refusals_per_second=0)
    watched.be_refused(HERE, 1_000)
    with ExitStack() as held:
        for token in ("a", "b", "c"):
            held.enter_context(watched.strangers.request(HERE, Sensitive(token)))
        with pytest.raises(ResourceExhaustedError):
            watched.ask(THERE, "d")


def test_what_is_remembered_is_bounded_and_holds_no_token() -> None:
    watched = Watched()
    for number in range(max(MOST_KNOWN, MOST_SOURCES) + 5):
        watched.ask(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"token-{number}")

    strangers = watched.strangers
    assert (len(strangers._known), len(strangers._sources)) == (MOST_KNOWN, MOST_SOURCES)
    assert all(b"token" not in digest for digest in strangers._known)


def test_requests_that_come_together_with_a_new_credential_are_served_up_to_the_places() -> (
    None
):
    """An allowance of refusals is not used up by credentials that are not refused."""
    watched = Watched(per_source=50, refusals_per_second=2)
    with ExitStack() as under_way:
        introductions = [
            under_way.enter_context(watched.strangers.request(HERE, Sensitive("new")))
            for _ in range(50)
        ]
        introductions[0].accept()

    assert watched.reasons == []
