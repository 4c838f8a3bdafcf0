"""The file that holds the key-encryption keys: made once, never overwritten.

Whoever loses it loses every secret that the vault's database holds; whoever has it and the
database has them all.
"""

import json
from base64 import b64encode
from pathlib import Path

from chassis.clock import RandomBytes
from splitkeep.files import PRIVATE, read_or_make

KEK_BYTES = 32  # AES-256
FIRST_KEK_ID = "local-1"


class KekGoneError(Exception):
    """There are values and no key to them; the text says what to do."""


def ensure_kek_file(path: Path, random_bytes: RandomBytes) -> None:
    """A file with one active KEK is there, readable by its owner only."""
    read_or_make(path, lambda: new_kek_file(random_bytes), mode=PRIVATE)


def new_kek_file(random_bytes: RandomBytes) -> bytes:
    """The content of a key file with one new KEK, which is active."""
    keks = {FIRST_KEK_ID: b64encode(random_bytes(KEK_BYTES)).decode()}
    return (json.dumps({"active": FIRST_KEK_ID, "keks": keks}, indent=2) + "\n").encode()
