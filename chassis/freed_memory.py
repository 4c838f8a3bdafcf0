"""Memory that a burst of work has freed goes back to the kernel.

glibc keeps freed memory in arenas for later use, by default in up to eight for each core. After
a burst it is rarely used again, and the process stays as large as it was at its largest.

- There is one arena. In several, the few blocks that outlive a burst lie scattered over more
  pages, and each burst leaves some megabytes more.
- What it holds free is given back some seconds after a burst.

Where the C library is another one, or there is no /proc, nothing is done. Sources: mallopt(3),
malloc_trim(3).
"""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

STATM = Path("/proc/self/statm")
PAUSE_SECONDS = 2.0
AGAIN_SECONDS = 20.0  # what is held for a while is freed without any growth
WORTH_BYTES = 2 * 1024 * 1024  # less is not worth a search

_M_ARENA_MAX = -8  # malloc.h

Trim = Callable[[], None]


def allocate_from_one_arena() -> None:
    """With glibc, threads that are started from now on share the allocator's first arena."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


class FreedMemory:
    """What one process has freed, and glibc still holds."""

    def __init__(
        self, resident: Callable[[], int], trim: Trim, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`resident` is the size of the resident set in bytes; `trim` may take long."""
        self._resident, self._trim, self._now = resident, trim, now
        self._least = self._last = self._kept = resident()
        self._trimmed = now()

    async def look(self) -> None:
        """It has been given back, if the process has grown and grows no more."""
        size, before = self._resident(), self._last
        self._last, self._least = size, min(self._least, size)
        growing = size - before > WORTH_BYTES
        grown = size - self._kept > WORTH_BYTES
        again = size - self._least > WORTH_BYTES and self._now() - self._trimmed > AGAIN_SECONDS
        if growing or not (grown or again):
            return
        await asyncio.to_thread(self._trim)
        self._last = self._kept = self._resident()
        self._trimmed = self._now()


async def give_back_freed_memory(stopping: asyncio.Event) -> None:
    """Until it is set, what this process frees goes back some seconds after a burst."""
    trim = _malloc_trim()
    if trim is None:
        await stopping.wait()
        return
    memory = FreedMemory(_resident, trim)
    while not stopping.is_set():
        await memory.look()
        with suppress(TimeoutError):
            async with asyncio.timeout(PAUSE_SECONDS):
                await stopping.wait()


def _resident() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _malloc_trim() -> Trim | None:
    """None where the C library is not glibc, or nothing says how much is resident."""
    if not STATM.exists():
        return None
    try:
        function = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    function.argtypes, function.restype = [ctypes.c_size_t], ctypes.c_int

    def trim() -> None:
        function(0)

    return trim
