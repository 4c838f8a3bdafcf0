"""Attacks on one port of this machine.

    python -m tests.faults.strangers PORT SECONDS TIMES NAME…

Nothing is needed but the port. The names are those of ATTACKS; without a word they are listed.
Each is made on TIMES its connections. A token that looks like those which the port takes is
read from standard input.
"""

import asyncio
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress

from tests.faults.strangers.attack import Target
from tests.faults.strangers.attacks import ATTACKS

NICENESS = 10  # on one machine an attacker must not win by taking the processor


async def attack(names: Sequence[str], target: Target, seconds: float, times: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(ATTACKS[name].run(target, times=times))


def main(words: list[str]) -> None:
    """See the module."""
    if not words:
        print("\n".join(ATTACKS))
        return
    port, seconds, times, *names = words
    os.nice(NICENESS)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    target = Target(int(port), sys.stdin.read().strip())
    asyncio.run(attack(names, target, float(seconds), float(times)))


if __name__ == "__main__":
    main(sys.argv[1:])
