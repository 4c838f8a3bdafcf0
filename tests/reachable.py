"""What Python objects still hold a marker: what is reachable, not what lies in freed memory."""

import asyncio
import gc
import sys
from collections.abc import Iterator
from types import CoroutineType, FrameType

TEXTS = (bytes, str, bytearray)
SETTLING_LOOKS = 20


def holders(marker: bytes) -> list[str]:
    """The kinds of objects that refer to a text with the marker in it.

    Without the frames and the coroutine of the caller: those know what they look for.
    """
    gc.collect()
    frames = {id(frame) for frame in _frames()}
    found = []
    for holder in gc.get_objects():
        if not _is_callers(holder, frames) and _holds(holder, marker):
            # In a comprehension a cell would hold the marker.
            found.append(f"{type(holder).__module__}.{type(holder).__qualname__}")  # noqa: PERF401
    return sorted(found)


async def still_held(marker: bytes) -> list[str]:
    """The holders that are left once what is under way has ended.

    A client has its answer a moment before the server's call is over.
    """
    found = holders(marker)
    for _ in range(SETTLING_LOOKS):
        if not found:
            break
        await asyncio.sleep(0.1)
        found = holders(marker)
    return found


def _holds(holder: object, marker: bytes) -> bool:
    """Itself, or by an object that the collector does not list, such as a tuple of texts."""
    for inner in gc.get_referents(holder):
        if isinstance(inner, TEXTS):
            if marker in _bytes_of(inner):
                return True
        elif not gc.is_tracked(inner) and _holds(inner, marker):
            return True
    return False


def _is_callers(holder: object, frames: set[int]) -> bool:
    if isinstance(holder, CoroutineType):
        return id(holder.cr_frame) in frames
    return id(holder) in frames


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _bytes_of(text: bytes | str | bytearray) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
