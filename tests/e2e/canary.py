"""Finds a marker wherever it must not be, in every form it could take."""

import base64
import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def forms(marker: bytes) -> dict[str, bytes]:
    """The encodings of a marker that a scan looks for; each is long enough not to be chance."""
    text = marker.decode("latin-1")
    found = {
        "raw": marker,
        "hex": marker.hex().encode(),
        "upper-case hex": marker.hex().upper().encode(),
        "UTF-16 little-endian": text.encode("utf-16-le"),
        "UTF-16 big-endian": text.encode("utf-16-be"),
    }
    for alignment in range(3):
        found[f"base64 at alignment {alignment}"] = _base64_core(marker, alignment)
    return found


def _base64_core(marker: bytes, alignment: int) -> bytes:
    """The characters of base64 that depend on the marker alone, wherever it stands."""
    encoded = base64.b64encode(b"\0" * alignment + marker)
    skipped = -(-alignment * 8 // 6)
    whole = (alignment + len(marker)) * 8 // 6
    return encoded[skipped:whole]


def hits(marker: bytes, content: bytes) -> list[str]:
    """The forms in which a marker is present."""
    return [form for form, needle in forms(marker).items() if needle in content]


def files(directories: Iterable[Path]) -> Iterator[Path]:
    for directory in directories:
        yield from (path for path in directory.rglob("*") if path.is_file())


def memory(pid: int) -> bytes:
    """Every writable page of a process. Raises PermissionError where it may not look."""
    pages = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory_file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, permissions, *_ = line.split()
            if not permissions.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            pages.append(_read(memory_file.fileno(), start, end - start))
    return b"".join(pages)


def _read(descriptor: int, start: int, size: int) -> bytes:

    try:
        return os.pread(descriptor, size, start)
    except OSError:  # a page that went away between the two reads
        return b""
