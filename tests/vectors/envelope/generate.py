"""Makes the envelope vectors, independently of vault_svc: see README.md."""

import base64
import hashlib
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

HERE = Path(__file__).parent
VALUE_ID = UUID("0b9f0bd8-6f6e-4a6b-9f0e-0a8a6c5b1d01")
DATA_KEY_ID = UUID("5d1e7c1a-3b7c-4e1b-8a43-6b8a2f1c0d02")
Damage = Callable[[bytes], bytes]


def material(label: str, size: int) -> bytes:
    return hashlib.sha256(b"splitkeep envelope vector: " + label.encode()).digest()[:size]


def gcm(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES256(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(associated)
    return encryptor.update(plaintext) + encryptor.finalize() + encryptor.tag


def counted(*parts: bytes) -> bytes:
    packed = b""
    for part in parts:
        packed += struct.pack(">I", len(part)) + part
    return packed


def blob(format_byte: int, nonce: bytes, key: bytes, plaintext: bytes, *parts: bytes) -> bytes:
    first = struct.pack("B", format_byte)
    return first + nonce + gcm(key, nonce, plaintext, counted(first, *parts))


@dataclass(frozen=True)
class Value:
    plaintext: bytes = b"correct horse battery staple"
    namespace: str = "team-a"
    name: str = "db-password"
    value_id: UUID = VALUE_ID
    data_key_id: UUID = DATA_KEY_ID
    data_key: bytes = material("data key", 32)
    value_key: bytes = material("value key", 32)
    value_nonce: bytes = material("value nonce", 12)
    wrap_nonce: bytes = material("wrap nonce", 12)

    def blobs(self) -> tuple[bytes, bytes]:
        space, ident = self.namespace.encode(), self.value_id.bytes
        wrapped = blob(
            *(0x21, self.wrap_nonce, self.data_key, self.value_key),
            *(space, ident, self.data_key_id.bytes),
        )
        sealed = blob(
            *(0x11, self.value_nonce, self.value_key, self.plaintext),
            *(space, self.name.encode(), ident),
        )
        return wrapped, sealed

    def headers(self) -> dict[str, str]:
        return {
            "kind": "value",
            "namespace": self.namespace,
            "name": self.name,
            "value id": str(self.value_id),
            "data key id": str(self.data_key_id),
            "data key": self.data_key.hex(),
            "value key": self.value_key.hex(),
            "value nonce": self.value_nonce.hex(),
            "wrap nonce": self.wrap_nonce.hex(),
            "plaintext": self.plaintext.hex(),
        }


@dataclass(frozen=True)
class WrappedKey:
    plaintext: bytes = material("data key", 32)
    namespace: str = "team-a"
    data_key_id: UUID = DATA_KEY_ID
    kek_id: str = "local-1"
    kek: bytes = material("kek", 32)
    wrap_nonce: bytes = material("data key nonce", 12)
    kind: str = "data key"

    def blobs(self) -> tuple[bytes]:
        parts = self.namespace.encode(), self.data_key_id.bytes, self.kek_id.encode()
        first = {"data key": 0x31, "fingerprint key": 0x41}[self.kind]
        return (blob(first, self.wrap_nonce, self.kek, self.plaintext, *parts),)

    def headers(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "data key id": str(self.data_key_id),
            "kek id": self.kek_id,
            "kek": self.kek.hex(),
            "wrap nonce": self.wrap_nonce.hex(),
            "plaintext": self.plaintext.hex(),
        }


Case = Value | WrappedKey


def file(comment: str, expect: str, case: Case, blobs: tuple[bytes, ...] | None = None) -> str:
    headers = {"comment": comment, "expect": expect, **case.headers()}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    bodies = [base64.b64encode(one).decode() for one in blobs or case.blobs()]
    return "\n".join([*lines, "", *bodies, ""])


def flipped(blob: bytes, place: int) -> bytes:
    return blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]


def successes() -> Iterator[tuple[str, str]]:
    value, key = Value(), WrappedKey()
    yield "value", file("a value of text", "success", value)
    one = replace(value, plaintext=b"\x00")
    yield "value_one_byte", file("the shortest value", "success", one)
    everything = replace(value, plaintext=bytes(range(256)))
    yield "value_every_byte", file("every byte there is", "success", everything)
    longest = replace(value, plaintext=material("longest", 32) * 768)
    yield "value_longest", file("24576 bytes, the longest value", "success", longest)
    yield "data_key", file("a data key", "success", key)


def wrong_keys() -> Iterator[tuple[str, str]]:
    value, key = Value(), WrappedKey()
    other = replace(value, data_key=material("another data key", 32))
    yield "value_wrong_key", file("another data key", "wrong key", other, value.blobs())
    kek = replace(key, kek=material("another kek", 32))
    yield "data_key_wrong_key", file("another KEK", "wrong key", kek, key.blobs())


def wrong_contexts() -> Iterator[tuple[str, str]]:
    value, key = Value(), WrappedKey()
    another = UUID("c0ffee00-0000-4000-8000-000000000003")
    changes: dict[str, dict[str, str | UUID]] = {
        "namespace": {"namespace": "team-b"},
        "name": {"name": "api-token"},
        "value_id": {"value_id": another},
        "data_key_id": {"data_key_id": another},
        # The same letters, split elsewhere: only the lengths tell the two apart.
        "split": {"namespace": "team-adb", "name": "-password"},
    }
    for what, change in changes.items():
        opened = replace(value, **change)  # type: ignore[arg-type]  # a field and its value
        text = file(f"another {what}", "wrong context", opened, value.blobs())
        yield f"value_wrong_{what}", text
    for what in ("namespace", "data_key_id"):
        opened_key = replace(key, **changes[what])  # type: ignore[arg-type]  # as above
        text = file(f"another {what}", "wrong context", opened_key, key.blobs())
        yield f"data_key_wrong_{what}", text
    other_kek = replace(key, kek_id="local-2")
    text = file("another KEK id", "wrong context", other_kek, key.blobs())
    yield "data_key_wrong_kek_id", text


def damages() -> Iterator[tuple[str, str, Damage]]:
    yield "tampered_nonce", "tampered", lambda b: flipped(b, 1)
    yield "tampered_ciphertext", "tampered", lambda b: flipped(b, 13)
    yield "tampered_tag", "tampered", lambda b: flipped(b, len(b) - 1)
    yield "tampered_longer", "tampered", lambda b: b + b"\x00"
    yield "tampered_shorter", "tampered", lambda b: b[:-1]
    yield "truncated_empty", "truncated", lambda _: b""
    yield "truncated_format_alone", "truncated", lambda b: b[:1]
    yield "truncated_in_the_tag", "truncated", lambda b: b[:28]
    yield "unknown_format", "unknown format", lambda b: b"\x7f" + b[1:]
    yield "unknown_format_newer", "unknown format", lambda b: bytes([b[0] + 1]) + b[1:]


def damaged() -> Iterator[tuple[str, str]]:
    value, key = Value(), WrappedKey()
    wrapped, sealed = value.blobs()
    for name, expect, damage in damages():
        comment = name.replace("_", " ")
        yield (
            f"value_{name}",
            file(f"the seal: {comment}", expect, value, (wrapped, damage(sealed))),
        )
        yield (
            f"value_key_{name}",
            file(f"the value key: {comment}", expect, value, (damage(wrapped), sealed)),
        )
        yield f"data_key_{name}", file(comment, expect, key, (damage(key.blobs()[0]),))
    yield (
        "value_swapped",
        file("one in place of the other", "unknown format", value, (sealed, wrapped)),
    )


def fingerprint_keys() -> Iterator[tuple[str, str]]:
    key = WrappedKey(
        plaintext=material("fingerprint key", 32),
        wrap_nonce=material("fingerprint key nonce", 12),
        kind="fingerprint key",
    )
    yield "fingerprint_key", file("a fingerprint key", "success", key)
    elsewhere = replace(key, namespace="team-b")
    text = file("another namespace", "wrong context", elsewhere, key.blobs())
    yield "fingerprint_key_wrong_namespace", text
    sealing = WrappedKey()
    text = file("a data key in its place", "unknown format", key, sealing.blobs())
    yield "fingerprint_key_swapped", text
    text = file("a fingerprint key in its place", "unknown format", sealing, key.blobs())
    yield "data_key_swapped", text
    relabelled = b"\x41" + sealing.blobs()[0][1:]
    text = file("a data key with its first byte changed", "tampered", key, (relabelled,))
    yield "fingerprint_key_relabelled", text


def main(arguments: list[str]) -> int:
    made = dict(
        [*successes(), *wrong_keys(), *wrong_contexts(), *damaged(), *fingerprint_keys()]
    )
    differing = []
    for name, text in made.items():
        path = HERE / f"{name}.txt"
        if not path.exists() and arguments != ["--check"]:
            path.write_text(text)
        if not path.exists() or path.read_text() != text:
            differing.append(path.name)
    for name in differing:
        sys.stderr.write(f"{name} differs from what this script makes\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
