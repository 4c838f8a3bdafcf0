"""UUIDs out of their bytes, where many are made: the database driver's kind.

A `uuid.UUID` in every respect (it is equal to one, hashes like one, and is an instance), which
is made, hashed and taken apart in C: several times as fast. Whatever the driver reads is of it
anyhow.
"""

from uuid import UUID

from asyncpg.pgproto import pgproto  # noqa: TID251  # the driver exports its UUID nowhere else


def uuid_from_bytes(octets: bytes) -> UUID:
    """The UUID of these 16 bytes, big endian (RFC 9562 §4). Raises ValueError for any other."""
    made: UUID = pgproto.UUID(octets)
    return made
