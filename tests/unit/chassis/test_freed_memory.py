"""When memory that was freed is given back, and that it is."""

import os
import subprocess
import sys

import pytest

from chassis.freed_memory import AGAIN_SECONDS, WORTH_BYTES, FreedMemory

BURST = 4 * WORTH_BYTES
REALLY_FREED = """
import asyncio, ctypes
from chassis.freed_memory import FreedMemory, _malloc_trim, _resident

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
before = _resident()
memory = FreedMemory(_resident, _malloc_trim())
blocks = [libc.malloc(1_000) for _ in range(64_000)]
for block in blocks:
    ctypes.memset(block, 1, 1_000)
for block in blocks[:-1]:  # the last one keeps the heap from shrinking by itself
    libc.free(block)
held = _resident()
asyncio.run(memory.look())  # it has grown since the look before
asyncio.run(memory.look())
print((held - before) >> 20, (_resident() - before) >> 20)
"""

ARENAS_OF_THREADS = """
import ctypes, threading
from chassis.process import run

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
async def nothing(stopping):
    pass

{before}
threads = [threading.Thread(target=libc.malloc, args=(5_000,)) for _ in range(4)]
for thread in threads:
    thread.start()
    thread.join()
libc.malloc_info(0, libc.fdopen(1, b"w"))
libc.fflush(None)
"""


class Process:
    """Has a size; trimming takes off what is free."""

    def __init__(self) -> None:
        self.used, self.free, self.trims, self.seconds = 100 * WORTH_BYTES, 0, 0, 0.0
        self.memory = FreedMemory(
            lambda: self.used + self.free, self.trim, lambda: self.seconds
        )

    def trim(self) -> None:
        self.trims += 1
        self.free = 0


async def test_nothing_is_done_while_the_process_does_not_grow() -> None:
    process = Process()
    process.free = WORTH_BYTES // 2

    for _ in range(3):
        await process.memory.look()
        process.seconds += AGAIN_SECONDS

    assert process.trims == 0


async def test_a_burst_is_given_back_once_it_is_over() -> None:
    process = Process()

    for _ in range(3):
        process.free += BURST
        await process.memory.look()
    during = process.trims
    for _ in range(3):
        await process.memory.look()

    assert (during, process.trims, process.free) == (0, 1, 0)


async def test_what_is_freed_without_growth_is_given_back_after_a_while() -> None:
    process = Process()
    process.used += BURST
    for _ in range(3):
        await process.memory.look()

    process.used, process.free = process.used - BURST, BURST
    await process.memory.look()
    soon = process.free
    process.seconds += AGAIN_SECONDS + 1
    await process.memory.look()

    assert (soon, process.free) == (BURST, 0)


async def test_a_process_that_needs_what_it_has_is_trimmed_once_in_a_while() -> None:
    process = Process()
    process.used += BURST

    for _ in range(100):
        await process.memory.look()

    assert process.trims == 1


def test_what_this_c_library_holds_after_a_burst_goes_back_to_the_kernel() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REALLY_FREED], check=True, capture_output=True, text=True
    )

    held, kept = map(int, done.stdout.split())
    assert held > 50
    assert kept < 10


@pytest.mark.parametrize(("before", "arenas"), [("", 2), ("run(nothing)", 1)])
def test_all_threads_of_a_process_allocate_from_one_arena(before: str, arenas: int) -> None:
    """The first case shows that this C library has more of its own accord."""
    program = ARENAS_OF_THREADS.format(before=before)
    tuned = ("MALLOC_", "GLIBC_TUNABLES")
    environ = {name: text for name, text in os.environ.items() if not name.startswith(tuned)}

    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, check=True, capture_output=True, text=True
    )

    assert done.stdout.count("<heap nr=") == arenas
