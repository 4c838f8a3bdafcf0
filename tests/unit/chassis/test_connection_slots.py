"""How many connections a port has, and how many of them one source may hold."""

import pytest

from chassis.connection_slots import ConnectionRefusedByLimitError, ConnectionSlots


def test_a_connection_beyond_the_limit_is_refused_and_counted_until_one_is_released() -> None:
    reasons: list[str] = []
    slots = ConnectionSlots(2, refused=reasons.append)
    first, _ = slots.take("192.0.2.1"), slots.take("192.0.2.2")
    with pytest.raises(ConnectionRefusedByLimitError):
        slots.take("192.0.2.3")

    first.release()
    first.release()
    slots.take("192.0.2.3")

    assert (reasons, slots.open) == (["connections"], 2)


def test_one_source_holds_only_its_share_before_its_caller_is_accepted() -> None:
    reasons: list[str] = []
    slots = ConnectionSlots(10, strangers_per_source=2, refused=reasons.append)
    mine = [slots.take("192.0.2.1") for _ in range(2)]
    with pytest.raises(ConnectionRefusedByLimitError):
        slots.take("192.0.2.1")
    slots.take("192.0.2.2")

    mine[0].accept_caller()
    mine[0].accept_caller()
    slots.take("192.0.2.1")

    assert (reasons, slots.open) == (["connections_of_source"], 4)


def test_nothing_is_kept_of_sources_whose_connections_are_over() -> None:
    slots = ConnectionSlots(10_000)
    for number in range(1_000):
        slots.take(f"192.0.{number // 256}.{number % 256}").release()

    assert slots._strangers == {}
