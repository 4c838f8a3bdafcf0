"""The table of floors: which figures it makes of the runs, and when it asks for another pin."""

from pathlib import Path

import pytest

from tests.bench.floor_sets import GrpcioSet, agrees, our_stubs, pinned_set, requirements
from tests.bench.floor_table import IN_FLIGHT, Run, Runs, Variant, table
from tests.bench.tables import Table


def a_variant(grpcio: str, *, agreeing: bool = True) -> Variant:
    return Variant(GrpcioSet(grpcio, Path("python"), agreeing))


def runs(*speeds: float) -> Runs:
    return {count: [Run(speed, 1_000 / speed) for speed in speeds] for count in IN_FLIGHT}


def compared(*others: tuple[Variant, Runs]) -> Table:
    variants = [a_variant("1.78.2"), *(variant for variant, _ in others)]
    return table(variants, [runs(100, 200, 50), *(found for _, found in others)], "h2load")


def test_a_ratio_is_the_median_of_each_rounds_ratio_to_the_pinned_set() -> None:
    found = compared((a_variant("1.85.1"), runs(50, 100, 50)))

    row = dict(zip(found.headings, found.rows[1], strict=True))
    assert row["calls/s, 8 in flight"] == 50
    assert row["x pinned, 8 in flight"] == 0.5
    assert row["x pinned's CPU"] == 2


def test_the_pin_stays_while_no_set_that_agrees_is_much_cheaper() -> None:
    found = compared((a_variant("1.80.1"), runs(105, 210, 52)))

    assert found.promises[0].kept


def test_a_much_cheaper_set_that_agrees_breaks_the_promise() -> None:
    found = compared((a_variant("1.90.0"), runs(150, 300, 75)))

    assert not found.promises[0].kept
    assert found.promises[0].measured == pytest.approx(3 / 2)


def test_a_cheaper_set_whose_stubs_do_not_agree_is_no_candidate() -> None:
    found = compared((a_variant("1.76.0", agreeing=False), runs(150, 300, 75)))

    assert found.promises[0].kept
    assert found.rows[1][2] == "no"


def test_a_set_is_installed_with_its_companions_of_the_same_version() -> None:
    asked = requirements("1.80.1")

    assert asked[:4] == [
        "grpcio==1.80.1",
        "grpcio-health-checking==1.80.1",
        "grpcio-reflection==1.80.1",
        "grpcio-status==1.80.1",
    ]


def test_the_newest_set_is_asked_for_without_a_version() -> None:
    assert "grpcio" in requirements("latest")


async def test_the_stubs_agree_with_the_set_that_is_pinned() -> None:
    assert "protos.splitkeep.metadata.v1.vault_peer_pb2_grpc" in our_stubs()
    assert await agrees(pinned_set().python)


async def test_the_stubs_do_not_agree_with_a_python_that_has_none_of_it(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{pinned_set().python}" -I -S "$@"\n')
    bare.chmod(0o700)

    assert not await agrees(bare)
