"""How many connections of this process belong to each listening port, as the kernel sees it.

Every socket is asked for its own address: 10 microseconds each. The tables of /proc/net would
list those of all processes and the ones that linger after their end as well.
"""

from collections import Counter
from collections.abc import Collection

from chassis.own_sockets import is_listener, local_port, own_sockets_in_turns


async def connections_of(ports: Collection[int]) -> Counter[int] | None:
    """By the local port's number; None where the system does not list open descriptors."""
    counts: Counter[int] = Counter()
    try:
        async for found in own_sockets_in_turns():
            if local_port(found) in ports and not is_listener(found):
                counts[local_port(found)] += 1
    except OSError:
        return None
    return counts
