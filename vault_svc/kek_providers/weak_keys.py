"""Keys that are no secret: whoever knows this list, or types like people type, has them."""

import hashlib
import itertools

from vault_svc.domain.envelope import KEY_BYTES

# Of 32 random bytes fewer than 16 differ once in about 10^20 times.
_FEWEST_DIFFERENT_BYTES = 16
# Shipped for years as the default of a widespread product, so in every attacker's list.
_PUBLISHED = b"SW2YcwTIb9zpOOhoPsMm"


def weakness(key: bytes) -> str:
    """Why the key must not be used; empty if nothing speaks against it."""
    if len(key) != KEY_BYTES:
        return f"must have exactly {KEY_BYTES} bytes"
    found = (
        (_is_published(key), "is a published default"),
        (len(set(key)) < _FEWEST_DIFFERENT_BYTES, "repeats itself"),
        (_is_a_ramp(key), "is a row of consecutive bytes"),
        (_is_text(key), "is text; make one with a random generator"),
    )
    return next((reason for holds, reason in found if holds), "")


def _is_published(key: bytes) -> bool:
    return _PUBLISHED in key or key == hashlib.sha256(_PUBLISHED).digest()


def _is_text(key: bytes) -> bool:
    return key.isascii() and key.decode("ascii").isprintable()


def _is_a_ramp(key: bytes) -> bool:
    steps = {(after - before) % 256 for before, after in itertools.pairwise(key)}
    return len(steps) == 1
