"""UUIDs of the driver's kind are UUIDs."""

from uuid import UUID

import pytest

from chassis.uuids import uuid_from_bytes

OCTETS = bytes(range(16))
PLAIN = UUID(bytes=OCTETS)


def test_it_is_the_uuid_of_those_bytes() -> None:
    made = uuid_from_bytes(OCTETS)

    assert isinstance(made, UUID)
    assert (made, hash(made), str(made), made.bytes, made.hex) == (
        *(PLAIN, hash(PLAIN), str(PLAIN)),
        *(PLAIN.bytes, PLAIN.hex),
    )
    assert made == PLAIN
    assert made <= PLAIN <= made


@pytest.mark.parametrize("octets", [b"", OCTETS[:15], OCTETS + b"\0"], ids=len)
def test_other_lengths_are_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        uuid_from_bytes(octets)
