"""Reading the vectors of tests/vectors/envelope; anything unexpected in a file is an error."""

import base64
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from vault_svc.domain.envelope import Fault

FOLDER = Path(__file__).parents[2] / "vectors" / "envelope"

_EVERY = {"comment", "expect", "kind", "namespace", "data key id", "wrap nonce", "plaintext"}
HEADERS = {
    "value": _EVERY | {"name", "value id", "data key", "value key", "value nonce"},
    "data key": _EVERY | {"kek id", "kek"},
    "fingerprint key": _EVERY | {"kek id", "kek"},
}
FAULTS = {
    "success": None,
    "wrong key": Fault.NOT_AUTHENTIC,
    "tampered": Fault.NOT_AUTHENTIC,
    "wrong context": Fault.NOT_AUTHENTIC,
    "unknown format": Fault.UNKNOWN_FORMAT,
    "truncated": Fault.TRUNCATED,
}


class VectorError(Exception):
    """The file is not as its README says."""


@dataclass(frozen=True)
class Vector:
    headers: dict[str, str]
    blobs: tuple[bytes, ...]

    @property
    def fault(self) -> Fault | None:
        return FAULTS[self.headers["expect"]]

    def text(self, header: str) -> str:
        return self.headers[header]

    def hex(self, header: str) -> bytes:
        return bytes.fromhex(self.headers[header])

    def id(self, header: str) -> UUID:
        return UUID(self.headers[header])


def parse_vector(text: str) -> Vector:
    """Raises VectorError."""
    head, _, body = text.partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines())
    wanted = HEADERS.get(headers.get("kind", ""))
    if wanted is None or headers.keys() != wanted or headers["expect"] not in FAULTS:
        raise VectorError("a header is unknown, missing or has an unknown value")
    lines = body.removesuffix("\n").split("\n")
    if len(lines) != (2 if headers["kind"] == "value" else 1):
        raise VectorError("the file has another number of blobs than its kind")
    return Vector(headers, tuple(base64.b64decode(line, validate=True) for line in lines))


def vectors(kind: str) -> dict[str, Vector]:
    """Every vector of the kind, by the name of its file."""
    parsed = {p.stem: parse_vector(p.read_text()) for p in sorted(FOLDER.glob("*.txt"))}
    return {name: vector for name, vector in parsed.items() if vector.text("kind") == kind}
