"""Which KEK files a vault starts with."""

import base64
import hashlib
import json
import secrets
from pathlib import Path

import pytest

from chassis.config import ConfigError
from vault_svc.kek_providers.local_file import load_keks
from vault_svc.kek_providers.weak_keys import weakness
from vault_svc.ports.keks import KekError

WEAK = {
    "all zero": b"\x00" * 32,
    "a repeated byte": b"\xa5" * 32,
    "a repeated pattern": bytes(range(1, 9)) * 4,
    "ascending": bytes(range(32)),
    "ascending from one": bytes(range(1, 33)),
    "descending": bytes(range(255, 223, -1)),
    "a published default": b"SW2YcwTIb9zpOOhoPsMm".ljust(32, b"\x00"),
    "the hash of a published default": hashlib.sha256(b"SW2YcwTIb9zpOOhoPsMm").digest(),
    "text": b"correct-horse-battery-staple-123",
    "short": b"\x01\x80" * 8,
    "long": secrets.token_bytes(33),
    "none": b"",
}


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def a_file(tmp_path: Path, content: object, mode: int = 0o600) -> Path:
    path = tmp_path / "kek.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def problems(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load_keks(path, secrets.token_bytes)
    return "; ".join(error.value.problems)


@pytest.mark.parametrize("key", WEAK.values(), ids=WEAK)
def test_a_weak_key_is_refused(tmp_path: Path, key: bytes) -> None:
    path = a_file(tmp_path, {"active": "local-1", "keks": {"local-1": encoded(key)}})

    assert "KEK number 1" in problems(path)


def test_a_random_key_is_not_weak() -> None:
    assert [weakness(secrets.token_bytes(32)) for _ in range(1000)] == [""] * 1000


def test_the_active_kek_wraps_and_all_are_at_hand(tmp_path: Path) -> None:
    entries = {f"local-{n}": encoded(secrets.token_bytes(32)) for n in (1, 2)}

    keks = load_keks(
        a_file(tmp_path, {"active": "local-2", "keks": entries}), secrets.token_bytes
    )

    assert keks.active.kek_id == "local-2"
    assert keks.named("local-1").kek_id == "local-1"
    with pytest.raises(KekError):
        keks.named("local-3")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = a_file(tmp_path, "{}", mode)

    assert "mode 0600" in problems(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "there is no such file" in problems(tmp_path / "absent.json")


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert "is longer" in problems(a_file(tmp_path, " " * 70_000))


@pytest.mark.parametrize(
    "content",
    ["", "[]", "not json", '{"active": "a", "active": "b"}', '{"keks": NaN}'],
    ids=["empty", "a list", "no json", "a repeated name", "no number"],
)
def test_a_file_that_is_no_plain_object_is_refused(tmp_path: Path, content: str) -> None:
    assert "kek.json" in problems(a_file(tmp_path, content))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    content = {"actve": "x", "keks": {"Local 1": "not base64!", "local-2": encoded(b"short")}}

    told = problems(a_file(tmp_path, content))

    for part in (
        "nothing but active and keks",
        "active must name a KEK",
        "KEK number 1",
        "KEK number 2",
    ):
        assert part in told


def test_an_active_kek_that_is_not_in_the_file_is_refused(tmp_path: Path) -> None:
    content = {"active": "local-9", "keks": {"local-1": encoded(secrets.token_bytes(32))}}

    assert "active names no KEK" in problems(a_file(tmp_path, content))


def test_no_problem_quotes_a_key_wherever_it_was_put(tmp_path: Path) -> None:
    key = encoded(secrets.token_bytes(32))
    content = {"active": key, "keks": {key: "local-1", "local-1": key + "!"}, key: key}

    assert key not in problems(a_file(tmp_path, content))


def test_a_kek_does_not_print(tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    content = {"active": "local-1", "keks": {"local-1": encoded(key)}}

    shown = repr(load_keks(a_file(tmp_path, content), secrets.token_bytes))

    assert encoded(key) not in shown
    assert repr(key) not in shown
