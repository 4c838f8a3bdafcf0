"""What the decrypt client tries again, for how long, and what it does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chassis.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    KnownError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from splitkeep.client import DecryptClient, Secret
from tests.integration.splitkeep.conftest import Connect
from tests.integration.splitkeep.scripted_vault import ScriptedVault, serving


class Pauses:
    """Pauses that take no time and are remembered."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.mark.parametrize("error", [UnavailableError(), ResourceExhaustedError()], ids=repr)
async def test_what_may_pass_is_tried_again(connect: Connect, error: KnownError) -> None:
    vault = ScriptedVault(errors=[error, error])
    client = await connect(vault)

    outcomes = await client.decrypt(["a"], namespace="default")

    assert isinstance(outcomes["a"], Secret)
    assert len(vault.asked) == 3


async def test_a_broken_stream_is_begun_again(connect: Connect) -> None:
    vault = ScriptedVault(breaks_stream_after=1)
    client = await connect(vault)
    names = [f"name-{number}" for number in range(150)]

    outcomes = await client.decrypt(names, namespace="default")

    assert list(outcomes) == names
    assert len(vault.asked) == 2


async def test_an_incomplete_answer_is_not_taken_for_one(connect: Connect) -> None:
    vault = ScriptedVault(forgets=1)
    client = await connect(vault)

    outcomes = await client.decrypt(["a", "b"], namespace="default")

    assert list(outcomes) == ["a", "b"]
    assert len(vault.asked) == 2


@pytest.mark.parametrize(
    "error", [UnauthenticatedError(), InvalidArgumentError("no")], ids=repr
)
async def test_what_does_not_pass_is_not_tried_again(
    connect: Connect, error: KnownError
) -> None:
    vault = ScriptedVault(errors=[error])
    client = await connect(vault)

    with pytest.raises(type(error)):
        await client.decrypt(["a"], namespace="default")
    assert len(vault.asked) == 1


async def test_retries_end_before_the_deadline(connect: Connect) -> None:
    vault = ScriptedVault(errors=[UnavailableError()] * 1_000)
    client = await connect(vault)
    started = asyncio.get_running_loop().time()

    with pytest.raises(UnavailableError):
        await client.decrypt(["a"], namespace="default", deadline_seconds=0.5)

    assert asyncio.get_running_loop().time() - started < 2
    assert 1 < len(vault.asked) < 1_000


async def test_pauses_grow_within_their_bound(ca: Path) -> None:
    vault, pauses = ScriptedVault(errors=[UnavailableError()] * 9), Pauses()
    async with serving(vault, ca) as port:
        made = DecryptClient.connect(f"127.0.0.1:{port}", ca=ca, token=lambda: "t")
        async with made, _with_pauses(made, pauses) as client:
            await client.decrypt(["a"], namespace="default", deadline_seconds=60)

    bounds = [min(0.05 * 2**number, 2.0) for number in range(9)]
    assert all(taken <= bound for taken, bound in zip(pauses.taken, bounds, strict=True))


@asynccontextmanager
async def _with_pauses(client: DecryptClient, pauses: Pauses) -> AsyncIterator[DecryptClient]:
    yield DecryptClient(client._calls, lambda: "t", pause=pauses)


async def test_a_vault_that_does_not_answer_ends_with_the_deadline(connect: Connect) -> None:
    client = await connect(ScriptedVault(holds=True))

    with pytest.raises(DeadlineExceededError):
        await client.decrypt(["a"], namespace="default", deadline_seconds=0.3)


async def test_a_vault_that_is_down_is_unavailable(ca: Path) -> None:
    async with DecryptClient.connect("127.0.0.1:1", ca=ca, token=lambda: "t") as client:
        with pytest.raises(UnavailableError):
            await client.decrypt(["a"], namespace="default", deadline_seconds=0.3)
