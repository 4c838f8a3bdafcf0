"""Makes the fingerprint vectors, independently of vault_svc: see README.md."""

import hashlib
import hmac
import json
import struct
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEY = hashlib.sha256(b"splitkeep fingerprint vector: key").digest()
PLAIN: dict[str, Any] = {
    "issuer": "https://issuer.example",
    "subject": "user:u1",
    "idempotency key": "create-1",
    "namespace": "team-a",
    "name": "db-password",
    "generateName": "",
    "description": "Main PG password",
    "decrypters": ["synthetic-monitoring"],
    "labels": {"team": "platform"},
    "annotations": {"example.com/note": "kept"},
    "ref": "",
    "owners": [],
    "value": b"correct horse battery staple".hex(),
}
OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "generated_name": {"name": "", "generateName": "sv-"},
    "nothing_beside_the_value": {"decrypters": [], "labels": {}, "annotations": {}},
    # In the order of the keys' bytes, whatever order they are given in.
    "many_labels": {"labels": {"b": "1", "B": "2", "a": "3", "a.b": "4", "a-b": "5"}},
    "beyond_ascii": {"description": "пароль \N{KEY}", "annotations": {"a": "\n"}},
    "every_field": {"ref": "arn:x", "owners": [OWNER], "decrypters": ["x", "y"]},
    "every_byte": {"value": bytes(range(256)).hex()},
    "empty_value": {"value": "", "ref": "arn:x"},
    # The same letters, split elsewhere: only the lengths tell the two apart.
    "split_elsewhere": {"name": "db-passwordM", "description": "ain PG password"},
}
# What earlier releases make, and what this one makes beside it.
SUBJECT, PRINCIPAL = "subject", "issuer and subject"


def counted(parts: Iterable[bytes]) -> bytes:
    packed = b""
    for part in parts:
        packed += struct.pack(">I", len(part)) + part
    return packed


def mapped(pairs: dict[str, str]) -> bytes:
    rows = sorted((key.encode(), text.encode()) for key, text in pairs.items())
    return counted(part for row in rows for part in row)


def canonical(case: dict[str, Any], covers: str) -> bytes:
    owners = [
        counted(owner[field].encode() for field in ("apiVersion", "kind", "name"))
        for owner in case["owners"]
    ]
    return counted(
        [
            b"\x01" if covers == SUBJECT else b"\x02",
            b"create secure value",
            *([] if covers == SUBJECT else [case["issuer"].encode()]),
            case["subject"].encode(),
            case["idempotency key"].encode(),
            case["namespace"].encode(),
            case["name"].encode(),
            case["generateName"].encode(),
            case["description"].encode(),
            counted(text.encode() for text in case["decrypters"]),
            mapped(case["labels"]),
            mapped(case["annotations"]),
            case["ref"].encode(),
            counted(owners),
            bytes.fromhex(case["value"]),
        ]
    )


def vector(changes: dict[str, Any], covers: str) -> dict[str, Any]:
    case = PLAIN | changes
    request = canonical(case, covers)
    return {
        "key": KEY.hex(),
        "covers": covers,
        "request": case,
        "canonical": request.hex(),
        "fingerprint": hmac.new(KEY, request, hashlib.sha256).hexdigest(),
    }


def main(arguments: list[str]) -> int:
    differing = []
    files = [(name, changes, SUBJECT) for name, changes in CASES.items()]
    files += [(f"{name}_of_issuer", changes, PRINCIPAL) for name, changes in CASES.items()]
    for name, changes, covers in files:
        text = json.dumps(vector(changes, covers), indent=2, ensure_ascii=False) + "\n"
        path = HERE / f"{name}.json"
        if not path.exists() and arguments != ["--check"]:
            path.write_text(text)
        if not path.exists() or path.read_text() != text:
            differing.append(path.name)
    for name in differing:
        sys.stderr.write(f"{name} differs from what this script makes\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
