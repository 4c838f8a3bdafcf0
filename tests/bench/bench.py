"""What every subject is given: the stack, the control beside it, and how to load them."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from splitkeep.files import private_directory, write_json
from tests.bench.check import check_values
from tests.bench.control import Control, control_beside
from tests.bench.counting import Part, Sample, counted
from tests.bench.drivers.choice import choose_driver
from tests.bench.drivers.ghz import as_json
from tests.bench.measuring import PACED_PER_CONNECTION, Driver, Load, Place
from tests.bench.requests import DECRYPT, UPDATE, decrypt_messages, write_messages
from tests.bench.seed import copy_rows, create_secrets, secret_names
from tests.bench.tables import Effort
from tests.bench.under_test import StackUnderTest

MAXIMUM_CONNECTIONS = 8
BATCH = 100  # of the file for ghz by hand
# A bound on paced calls that are under way, so far up that a service in its stride is below it.
PACED_IN_FLIGHT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A seeded stack and its control; `connections` are the most that one load is spread on."""

    stack: StackUnderTest
    control: Control
    driver: Driver
    effort: Effort
    folder: Path
    connections: int

    @property
    def names(self) -> list[str]:
        """What there is to decrypt."""
        return secret_names(self.effort.secrets)

    def decrypting(
        self,
        *,
        names: int = 1,
        in_flight: int = PACED_IN_FLIGHT,
        seconds: float,
        rate: float | None = None,
    ) -> Load:
        """Decrypts so many names a call."""
        return Load(
            target=self.stack.vault,
            method=DECRYPT,
            token=self.stack.decrypter,
            messages=decrypt_messages(self.names, names),
            in_flight=in_flight,
            seconds=seconds,
            connections=min(in_flight, self.connections if rate is None else paced(rate)),
            rate=rate,
        )

    def writing(self, *, seconds: float, rate: float) -> Load:
        """Gives secure values new values, so many a second."""
        return Load(
            target=self.stack.vault,
            method=UPDATE,
            token=self.stack.writer,
            messages=write_messages(),
            in_flight=PACED_IN_FLIGHT,
            seconds=seconds,
            connections=paced(rate),
            rate=rate,
        )

    async def decrypt(self, load: Load, *, names: int = 1) -> Sample:
        """What came of a load of `decrypting` alone."""
        return (await self.together(Part(load, names)))[0]

    async def empty_calls(
        self, *, in_flight: int = PACED_IN_FLIGHT, seconds: float, rate: float | None = None
    ) -> Sample:
        """The control: the same load as one of single decrypts, to an empty handler."""
        like = self.decrypting(in_flight=in_flight, seconds=seconds, rate=rate)
        part = Part(replace(like, target=self.control.target))
        return (await counted(self.driver, self.control.operations, [part]))[0]

    async def together(self, *parts: Part) -> list[Sample]:
        """What came of each of the loads, run at once."""
        return await counted(self.driver, self.stack.operations, parts)


def paced(rate: float) -> int:
    """How many connections begin so many calls a second evenly."""
    return min(MAXIMUM_CONNECTIONS, math.ceil(rate / PACED_PER_CONNECTION))


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person may choose: the tool, and over how many connections it calls."""

    driver: str | None = None
    connections: int | None = None


@asynccontextmanager
async def prepared(stack: StackUnderTest, effort: Effort, wish: Wish) -> AsyncIterator[Bench]:
    """The stack is seeded and answers rightly, before and after.

    With several vault workers a load is spread on several connections, or all would go to one.
    Raises DriverError, DidNotStartError, RuntimeError.
    """
    folder = folder_of(stack)
    await prepare(stack, effort)
    async with control_beside(stack, folder) as control:
        yield Bench(
            stack=stack,
            control=control,
            driver=choose_driver(wish.driver, Place(stack.ca, folder)),
            effort=effort,
            folder=folder,
            connections=wish.connections
            or (1 if control.workers == 1 else MAXIMUM_CONNECTIONS),
        )
    await check_values(stack, effort.secrets)


def folder_of(stack: StackUnderTest) -> Path:
    """Where files for the tools are, readable by this user alone."""
    return stack.state.directory / "load"


async def prepare(stack: StackUnderTest, effort: Effort) -> None:
    """The stack holds what is asked for, and the folder the files that ghz is pointed to."""
    folder = folder_of(stack)
    private_directory(folder)
    for name, token in (("decrypter", stack.decrypter), ("writer", stack.writer)):
        write_json(folder / f"{name}.json", {"x-access-token": token.reveal()})
    batches = decrypt_messages(secret_names(effort.secrets), BATCH)
    write_json(folder / "batch.json", as_json(batches))
    await create_secrets(stack, effort.secrets)
    await copy_rows(stack, effort.rows)
    await check_values(stack, effort.secrets)
