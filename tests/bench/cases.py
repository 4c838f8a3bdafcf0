"""What is sent: one name, a hundred names, and a mix of reads and writes.

A case is measured together with what the server counted meanwhile, so that every figure comes
with the number of calls that did not end well.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from protos.decryptv1beta1.decrypt_pb2 import SecureValueDecryptRequest
from protos.splitkeep.metadata.v1.secure_value_pb2 import SecureValueDraft
from protos.splitkeep.vault.v1.secure_values_pb2 import UpdateSecureValueRequest
from tests.bench.measuring import MILLISECONDS, Driver, Load, Measurement
from tests.bench.seed import SECRETS, WRITTEN, secret_name, value_of, written_name
from tests.bench.statuses import Counts
from tests.bench.under_test import DECRYPTER, NAMESPACE

DECRYPT = "decryptv1beta1.SecureValueDecrypter/DecryptSecureValues"
UPDATE = "splitkeep.vault.v1.SecureValues/UpdateSecureValue"
BATCH = 100
DRAWN = 200  # messages to draw from


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table; `names` is how many values each call is to answer.

    A paced case runs at a given speed: only its latencies are a result.
    """

    label: str
    in_flight: int
    names: int
    paced: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of a case showed, and how many of its calls or names went wrong.

    CPU time is that of the services, for one call; of a mix, for one call of either kind.
    """

    case: Case
    measurement: Measurement
    wrong: int
    cpu_ms: float = 0


async def measure(
    driver: Driver, operations: Sequence[str], parts: Sequence[tuple[Case, Load]]
) -> list[Sample]:
    """Runs the loads at once, against servers that count at the `operations` URLs."""
    before = await Counts.read(operations)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(driver.run(load)) for _, load in parts]
    grown = (await Counts.read(operations)).since(before)
    # Not by what the tools report: they may have tried the server out before they measured.
    served = sum(grown.served(load.method) for _, load in parts)
    cpu_ms = grown.cpu_seconds * MILLISECONDS / max(1, served)
    samples = []
    for (case, load), task in zip(parts, running, strict=True):
        found = task.result()
        astray = wrong(case, load.method, found.requests, grown)
        samples.append(Sample(case, found, astray, cpu_ms))
    return samples


def wrong(case: Case, method: str, requests: int, grown: Counts) -> int:
    """Calls without an OK, and names without a value.

    Whoever else calls the server meanwhile makes the counters grow further, never less.
    """
    unanswered = max(0, requests - grown.served(method))
    names_missing = max(0, requests * case.names - grown.granted) if case.names else 0
    refused = grown.not_granted if case.names else 0
    return grown.not_ok(method) + unanswered + max(names_missing, refused)


def decrypt_messages(names: int) -> list[bytes]:
    """Requests for so many names each, drawn at random."""
    every = [secret_name(number) for number in range(SECRETS)]
    return [
        SecureValueDecryptRequest(
            namespace=NAMESPACE, names=random.sample(every, names)
        ).SerializeToString()
        for _ in range(DRAWN)
    ]


def write_messages() -> list[bytes]:
    """Requests that give a name of their own a new value."""
    return [
        UpdateSecureValueRequest(
            draft=SecureValueDraft(
                namespace=NAMESPACE,
                name=written_name(number),
                description="written under load",
                decrypters=[DECRYPTER],
            ),
            value=value_of(written_name(number)).encode(),
        ).SerializeToString()
        for number in range(WRITTEN)
    ]
