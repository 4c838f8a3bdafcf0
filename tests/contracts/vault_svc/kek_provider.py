"""What every KekProvider promises. Subclasses give `provider` and `other`, of another KEK."""

import secrets
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from chassis.sensitive import Sensitive
from vault_svc.domain.envelope import DataKeyContext
from vault_svc.ports.keks import KekError, KekProvider


def a_context(provider: KekProvider) -> DataKeyContext:
    return DataKeyContext("team-a", uuid4(), provider.kek_id)


class KekProviderContract:
    async def test_it_unwraps_what_it_wrapped(self, provider: KekProvider) -> None:
        key, context = secrets.token_bytes(32), a_context(provider)

        wrapped = await provider.wrap(Sensitive(key), context)

        assert (await provider.unwrap(wrapped, context)).reveal() == key

    async def test_what_is_wrapped_does_not_show(self, provider: KekProvider) -> None:
        key = secrets.token_bytes(32)

        assert key not in await provider.wrap(Sensitive(key), a_context(provider))

    async def test_wrapping_twice_gives_two_different_blobs(
        self, provider: KekProvider
    ) -> None:
        key, context = Sensitive(secrets.token_bytes(32)), a_context(provider)

        assert await provider.wrap(key, context) != await provider.wrap(key, context)

    @pytest.mark.parametrize(
        "change",
        [{"namespace": "team-b"}, {"data_key_id": uuid4()}, {"kek_id": "another"}],
        ids=["namespace", "data key id", "kek id"],
    )
    async def test_another_context_does_not_unwrap(
        self, provider: KekProvider, change: dict[str, Any]
    ) -> None:
        context = a_context(provider)
        wrapped = await provider.wrap(Sensitive(secrets.token_bytes(32)), context)

        with pytest.raises(KekError):
            await provider.unwrap(wrapped, replace(context, **change))

    async def test_another_kek_does_not_unwrap(
        self, provider: KekProvider, other: KekProvider
    ) -> None:
        context = a_context(provider)
        wrapped = await provider.wrap(Sensitive(secrets.token_bytes(32)), context)

        with pytest.raises(KekError):
            await other.unwrap(wrapped, context)

    async def test_a_flipped_bit_anywhere_does_not_unwrap(self, provider: KekProvider) -> None:
        context = a_context(provider)
        wrapped = await provider.wrap(Sensitive(secrets.token_bytes(32)), context)

        for place in range(len(wrapped)):
            damaged = bytearray(wrapped)
            damaged[place] ^= 1
            with pytest.raises(KekError):
                await provider.unwrap(bytes(damaged), context)

    @pytest.mark.parametrize("blob", [b"", b"\x00", b"x" * 500], ids=["none", "one", "many"])
    async def test_what_was_never_wrapped_does_not_unwrap(
        self, provider: KekProvider, blob: bytes
    ) -> None:
        with pytest.raises(KekError):
            await provider.unwrap(blob, a_context(provider))

    def test_its_id_stays(self, provider: KekProvider) -> None:
        assert provider.kek_id == provider.kek_id != ""
