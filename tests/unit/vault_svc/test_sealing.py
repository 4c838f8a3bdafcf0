"""Sealing and opening, for any value, context and damage."""

import secrets
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.sensitive import Sensitive
from vault_svc.domain.envelope import (
    NONCE_BYTES,
    OVERHEAD_BYTES,
    DataKeyContext,
    EnvelopeError,
    Format,
    ValueContext,
    ValueKeyContext,
    length_prefixed,
    parse,
    serialise,
)
from vault_svc.domain.sealing import DataKey, SealedValue, open_value, seal_value

ids = st.uuids()
names = st.text(max_size=20)
contexts = st.builds(ValueContext, namespace=names, name=names, value_id=ids)
plaintexts = st.binary(max_size=200)


def a_data_key() -> DataKey:
    return DataKey.of("team-a", UUID(int=1), Sensitive(secrets.token_bytes(32)))


def sealed_in(context: ValueContext, key: DataKey, value: bytes = b"hunter2") -> SealedValue:
    return seal_value(Sensitive(value), context, key, random=secrets.token_bytes)


@given(plaintexts, contexts)
def test_what_was_sealed_opens(value: bytes, context: ValueContext) -> None:
    key = a_data_key()

    assert open_value(sealed_in(context, key, value), context, key).reveal() == value


@given(contexts, contexts)
def test_it_opens_in_no_other_context(context: ValueContext, other: ValueContext) -> None:
    key = a_data_key()
    sealed = sealed_in(context, key)

    if other != context:
        with pytest.raises(EnvelopeError):
            open_value(sealed, other, key)


@given(contexts, st.integers(min_value=0), st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_found(context: ValueContext, place: int, bit: int) -> None:
    key = a_data_key()
    sealed = sealed_in(context, key)
    blobs = bytearray(sealed.wrapped_value_key + sealed.sealed_value)
    blobs[place % len(blobs)] ^= 1 << bit
    cut = len(sealed.wrapped_value_key)

    with pytest.raises(EnvelopeError):
        open_value(
            SealedValue(sealed.data_key_id, bytes(blobs[:cut]), bytes(blobs[cut:])),
            context,
            key,
        )


@given(st.binary(max_size=120), st.sampled_from(Format))
def test_parsing_arbitrary_bytes_gives_them_back_or_fails_in_one_way(
    blob: bytes, expected: Format
) -> None:
    try:
        nonce, ciphertext = parse(blob, expected)
    except EnvelopeError:
        return
    assert serialise(expected, nonce, ciphertext) == blob


@given(st.binary(max_size=120), st.binary(max_size=120))
def test_opening_arbitrary_bytes_fails_in_one_way(wrapped: bytes, sealed: bytes) -> None:
    context = ValueContext("team-a", "db-password", UUID(int=2))

    with pytest.raises(EnvelopeError):
        open_value(SealedValue(UUID(int=1), wrapped, sealed), context, a_data_key())


@given(st.lists(st.binary(max_size=8)), st.lists(st.binary(max_size=8)))
def test_no_two_contexts_share_an_encoding(one: list[bytes], other: list[bytes]) -> None:
    assert (length_prefixed(*one) == length_prefixed(*other)) == (one == other)


def test_contexts_of_different_kinds_share_no_encoding() -> None:
    one = UUID(int=1)
    value, key = ValueContext("a", "b", one), DataKeyContext("a", one, "b")

    assert value.associated_data() != key.associated_data()


@pytest.mark.parametrize(
    "change",
    [{"namespace": "team-b"}, {"name": "other"}, {"value_id": UUID(int=9)}],
    ids=["namespace", "name", "value id"],
)
def test_each_part_of_the_context_counts(change: dict[str, Any]) -> None:
    key, context = a_data_key(), ValueContext("team-a", "db-password", UUID(int=2))
    sealed = sealed_in(context, key)

    with pytest.raises(EnvelopeError):
        open_value(sealed, context._replace(**change), key)


def test_the_same_key_bytes_under_another_id_do_not_open() -> None:
    material = Sensitive(secrets.token_bytes(32))
    context = ValueContext("team-a", "db-password", UUID(int=2))
    sealed = sealed_in(context, DataKey.of("team-a", UUID(int=1), material))

    with pytest.raises(EnvelopeError):
        open_value(sealed, context, DataKey.of("team-a", UUID(int=3), material))


def test_a_wrapped_value_key_does_not_open_another_value_of_the_same_name() -> None:
    key = a_data_key()
    first = ValueContext("team-a", "db-password", UUID(int=2))
    second = first._replace(value_id=UUID(int=3))
    mixed = sealed_in(first, key)._replace(
        wrapped_value_key=sealed_in(second, key).wrapped_value_key
    )

    with pytest.raises(EnvelopeError):
        open_value(mixed, first, key)


def test_no_key_or_nonce_is_ever_used_twice() -> None:
    key, context = a_data_key(), ValueContext("team-a", "db-password", UUID(int=2))

    sealed = [sealed_in(context, key) for _ in range(500)]

    blobs = [blob for one in sealed for blob in (one.wrapped_value_key, one.sealed_value)]
    assert len({blob[1 : 1 + NONCE_BYTES] for blob in blobs}) == len(blobs)


def test_a_blob_is_a_fixed_number_of_bytes_longer_than_what_it_holds() -> None:
    sealed = sealed_in(ValueContext("a", "b", UUID(int=2)), a_data_key(), b"x" * 100)

    assert len(sealed.sealed_value) == 100 + OVERHEAD_BYTES
    assert len(sealed.wrapped_value_key) == 32 + OVERHEAD_BYTES


@pytest.mark.parametrize("size_bytes", [0, 16, 31, 33])
def test_a_data_key_has_exactly_32_bytes(size_bytes: int) -> None:
    with pytest.raises(EnvelopeError):
        DataKey.of("team-a", UUID(int=1), Sensitive(b"k" * size_bytes))


def test_a_value_key_that_is_none_does_not_open() -> None:
    key, context = a_data_key(), ValueContext("team-a", "db-password", UUID(int=2))
    # Wrapped by whoever holds the data key, but too short.
    nonce = b"n" * NONCE_BYTES
    bound = length_prefixed(b"\x21", b"team-a", UUID(int=2).bytes, UUID(int=1).bytes)
    wrapped = b"\x21" + nonce + key.cipher.encrypt(nonce, b"short", bound)
    sealed = sealed_in(context, key)._replace(wrapped_value_key=wrapped)

    with pytest.raises(EnvelopeError):
        open_value(sealed, context, key)


def test_keys_do_not_print() -> None:
    material = secrets.token_bytes(32)
    key = DataKey.of("team-a", UUID(int=1), Sensitive(material))

    assert material.hex() not in repr(key)
    assert repr(material) not in repr(key)


@given(contexts, ids)
def test_what_a_blob_is_bound_to_is_length_prefixed(context: ValueContext, key: UUID) -> None:
    namespace, name, value_id = context
    of_key = ValueKeyContext(namespace, value_id, key)

    assert context.associated_data() == length_prefixed(
        b"\x11", namespace.encode(), name.encode(), value_id.bytes
    )
    assert of_key.associated_data() == length_prefixed(
        b"\x21", namespace.encode(), value_id.bytes, key.bytes
    )
