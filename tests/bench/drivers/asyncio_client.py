"""Load made by a Python client of this process, where there is neither ghz nor h2load.

It proves that everything works. As a measurement it is poor: the client takes more time for a
call than the server does for an empty one, and it has one connection.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from itertools import count, repeat

import grpc

from chassis.grpc_client import open_channel
from tests.bench.measuring import Driver, DriverError, Load, Measurement, Place, measured

DEADLINE_SECONDS = 20


class AsyncioClient(Driver):
    """See the module and Driver."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def said(self) -> str:
        return "a Python client, slower than the server (neither ghz nor h2load is installed)"

    async def run(self, load: Load) -> Measurement:
        latencies: list[float] = []
        async with open_channel(load.target, ca=self._place.ca) as channel:
            await channel.channel_ready()
            began = time.monotonic()
            moments = starts(began, load.rate)
            try:
                async with asyncio.TaskGroup() as calling:
                    for _ in range(load.in_flight):
                        calling.create_task(_send(channel, load, moments, latencies))
            except* grpc.aio.AioRpcError as errors:
                codes = {str(error) for error in errors.exceptions}
                raise DriverError("; ".join(sorted(codes))) from None
            return measured(began, time.monotonic(), latencies)


def starts(began: float, rate: float | None) -> Iterator[float]:
    """When each call may begin: at once, or at the given rate."""
    if rate is None:
        return repeat(began)
    return (began + number / rate for number in count())


async def _send(
    channel: grpc.aio.Channel, load: Load, moments: Iterator[float], latencies: list[float]
) -> None:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
    method = channel.unary_unary(f"/{load.method}")
    metadata = (("x-access-token", load.token.reveal()),)
    end = time.monotonic() + load.seconds
    for moment in moments:
        if moment >= end:
            return
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        began = time.monotonic()
        if began >= end:
            return
        message = random.choice(load.messages).SerializeToString()
        try:
            await method(message, metadata=metadata, timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise  # a refusal is an answer, and the server counts it
        latencies.append(time.monotonic() - began)
