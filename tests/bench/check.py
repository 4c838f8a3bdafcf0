"""Whether the stack answers what it was given: speed without that means nothing."""

import random

from splitkeep.client import DecryptClient, Secret
from tests.bench.seed import secret_names, value_of
from tests.bench.under_test import NAMESPACE, StackUnderTest

SAMPLE = 100


async def check_values(stack: StackUnderTest, secrets: int) -> None:
    """A hundred of so many names decrypt to their values. Raises RuntimeError."""
    names = random.sample(secret_names(secrets), SAMPLE)
    token = stack.decrypter
    async with DecryptClient.connect(stack.vault, ca=stack.ca, token=lambda: token) as client:
        outcomes = await client.decrypt(names, namespace=NAMESPACE)
    astray = [
        name
        for name, outcome in outcomes.items()
        if not (
            isinstance(outcome, Secret) and outcome.value.reveal() == value_of(name).encode()
        )
    ]
    if astray:
        raise RuntimeError(f"{len(astray)} of {SAMPLE} names did not answer their values")
