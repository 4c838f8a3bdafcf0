"""The bytes are still the same, and an independent implementation makes the same ones."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from chassis.sensitive import Sensitive
from tests.unit.vault_svc.envelope_vectors import (
    FOLDER,
    Vector,
    VectorError,
    parse_vector,
    vectors,
)
from vault_svc.domain.envelope import (
    DataKeyContext,
    EnvelopeError,
    Format,
    KeyPurpose,
    ValueContext,
    parse,
    serialise,
)
from vault_svc.domain.sealing import (
    DataKey,
    SealedValue,
    open_value,
    seal_value,
    unwrap_data_key,
    wrap_data_key,
)

VALUES, DATA_KEYS = vectors("value"), vectors("data key")
ALL = VALUES | DATA_KEYS | vectors("fingerprint key")
PURPOSES = {"data key": KeyPurpose.SEAL, "fingerprint key": KeyPurpose.FINGERPRINT}
SUCCESSES = {name: vector for name, vector in ALL.items() if vector.fault is None}
FAILURES = {name: vector for name, vector in ALL.items() if vector.fault is not None}


@pytest.mark.parametrize("vector", SUCCESSES.values(), ids=SUCCESSES)
def test_it_opens(vector: Vector) -> None:
    assert opened(vector) == vector.hex("plaintext")


@pytest.mark.parametrize("vector", FAILURES.values(), ids=FAILURES)
def test_it_fails_as_expected(vector: Vector) -> None:
    with pytest.raises(EnvelopeError) as error:
        opened(vector)

    assert error.value.fault is vector.fault


@pytest.mark.parametrize("vector", SUCCESSES.values(), ids=SUCCESSES)
def test_the_same_randomness_seals_to_the_same_bytes(vector: Vector) -> None:
    assert sealed(vector) == vector.blobs


@pytest.mark.parametrize("vector", SUCCESSES.values(), ids=SUCCESSES)
def test_taken_apart_and_put_together_it_is_the_same(vector: Vector) -> None:
    formats = {
        "value": (Format.WRAPPED_VALUE_KEY, Format.SEALED_VALUE),
        "data key": (Format.WRAPPED_DATA_KEY,),
        "fingerprint key": (Format.WRAPPED_FINGERPRINT_KEY,),
    }[vector.text("kind")]

    again = [
        serialise(one, *parse(blob, one))
        for blob, one in zip(vector.blobs, formats, strict=True)
    ]

    assert tuple(again) == vector.blobs


def test_every_expectation_is_met_by_some_vector() -> None:
    assert {vector.text("expect") for vector in ALL.values()} == {
        "success",
        "wrong key",
        "tampered",
        "wrong context",
        "unknown format",
        "truncated",
    }


def test_the_generator_still_makes_these_files() -> None:
    generator = [sys.executable, str(FOLDER / "generate.py"), "--check"]

    assert subprocess.run(generator, check=False).returncode == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "surprise: yes\n" + text,
        lambda text: text.replace("expect: success", "expect: luck"),
        lambda text: text.replace("kind: value", "kind: thing"),
        lambda text: text.replace("plaintext: ", "plain: "),
        lambda text: text + "AAAA\n",
    ],
    ids=[
        "unknown header",
        "unknown expectation",
        "unknown kind",
        "missing header",
        "more blobs",
    ],
)
def test_a_vector_that_is_not_understood_fails(spoil: Callable[[str], str]) -> None:
    text = (FOLDER / "value.txt").read_text()

    with pytest.raises(VectorError):
        parse_vector(spoil(text))


def opened(vector: Vector) -> bytes:
    if vector.text("kind") in PURPOSES:
        kek = Sensitive(vector.hex("kek"))
        return unwrap_data_key(vector.blobs[0], wrap_context(vector), kek).reveal()
    blobs = SealedValue(vector.id("data key id"), *vector.blobs)
    return open_value(blobs, value_context(vector), data_key(vector)).reveal()


def sealed(vector: Vector) -> tuple[bytes, ...]:
    plaintext = Sensitive(vector.hex("plaintext"))
    if vector.text("kind") in PURPOSES:
        random = scripted(vector.hex("wrap nonce"))
        kek = Sensitive(vector.hex("kek"))
        return (wrap_data_key(plaintext, wrap_context(vector), kek, random=random),)
    random = scripted(*(vector.hex(h) for h in ("value key", "value nonce", "wrap nonce")))
    made = seal_value(plaintext, value_context(vector), data_key(vector), random=random)
    return made.wrapped_value_key, made.sealed_value


def scripted(*chunks: bytes) -> Callable[[int], bytes]:
    left = list(chunks)

    def random(size: int) -> bytes:
        assert len(left[0]) == size
        return left.pop(0)

    return random


def value_context(vector: Vector) -> ValueContext:
    return ValueContext(vector.text("namespace"), vector.text("name"), vector.id("value id"))


def wrap_context(vector: Vector) -> DataKeyContext:
    return DataKeyContext(
        vector.text("namespace"),
        vector.id("data key id"),
        vector.text("kek id"),
        PURPOSES[vector.text("kind")],
    )


def data_key(vector: Vector) -> DataKey:
    key = Sensitive(vector.hex("data key"))
    return DataKey.of(vector.text("namespace"), vector.id("data key id"), key)
