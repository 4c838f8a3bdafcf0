"""What every FingerprintKeyStore promises.

Subclasses give `fingerprint_keys` and `keys` over the same rows.
"""

import asyncio
from dataclasses import replace

import pytest

from chassis.errors import FailedPreconditionError
from tests.contracts.vault_svc.builders import LATER, RULE, START, a_data_key, an_active_key
from vault_svc.domain.envelope import KeyPurpose
from vault_svc.domain.keyring import DataKeyState, WrappedDataKey
from vault_svc.ports.data_keys import DataKeyStore
from vault_svc.ports.fingerprint_keys import FingerprintKeyStore


def a_fingerprint_key(namespace: str = "team-a", kek_id: str = "kek-1") -> WrappedDataKey:
    return replace(
        a_data_key(namespace, kek_id),
        state=DataKeyState.RETIRED,
        purpose=KeyPurpose.FINGERPRINT,
    )


class FingerprintKeyStoreContract:
    async def test_at_first_none_is_in_use(
        self, fingerprint_keys: FingerprintKeyStore, keys: DataKeyStore
    ) -> None:
        sealing = await an_active_key(keys)
        await keys.move("team-a", sealing.data_key_id, DataKeyState.RETIRED)

        assert await fingerprint_keys.current("team-a") is None

    async def test_what_is_kept_is_in_use(self, fingerprint_keys: FingerprintKeyStore) -> None:
        key = a_fingerprint_key()
        await fingerprint_keys.keep(key, START)

        assert await fingerprint_keys.current("team-a") == key

    async def test_each_namespace_has_its_own(
        self, fingerprint_keys: FingerprintKeyStore
    ) -> None:
        mine, theirs = a_fingerprint_key(), a_fingerprint_key("team-b")
        for key in (mine, theirs):
            await fingerprint_keys.keep(key, START)

        assert await fingerprint_keys.current("team-a") == mine
        assert await fingerprint_keys.current("team-b") == theirs

    async def test_one_that_is_given_up_gives_way_to_the_next(
        self, fingerprint_keys: FingerprintKeyStore, keys: DataKeyStore
    ) -> None:
        lost, fresh = a_fingerprint_key(), a_fingerprint_key(kek_id="kek-2")
        await fingerprint_keys.keep(lost, START)

        for _ in range(2):
            await fingerprint_keys.give_up(lost)
        await fingerprint_keys.keep(fresh, START)
        await fingerprint_keys.give_up(lost)

        assert await fingerprint_keys.current("team-a") == fresh
        given_up = await keys.read("team-a", lost.data_key_id)
        assert given_up.key.state is DataKeyState.DISABLED

    async def test_of_many_that_are_kept_at_once_all_find_the_same(
        self, fingerprint_keys: FingerprintKeyStore
    ) -> None:
        wanted = [a_fingerprint_key() for _ in range(6)]

        async def keep(key: WrappedDataKey) -> WrappedDataKey | None:
            await fingerprint_keys.keep(key, START)
            return await fingerprint_keys.current("team-a")

        found = await asyncio.gather(*map(keep, wanted))

        assert found == [found[0]] * 6
        assert found[0] in wanted

    async def test_the_first_one_stays(self, fingerprint_keys: FingerprintKeyStore) -> None:
        first = a_fingerprint_key()
        await fingerprint_keys.keep(first, START)

        await fingerprint_keys.keep(a_fingerprint_key(), LATER)

        assert await fingerprint_keys.current("team-a") == first

    async def test_it_never_seals(
        self, fingerprint_keys: FingerprintKeyStore, keys: DataKeyStore
    ) -> None:
        await fingerprint_keys.keep(a_fingerprint_key(), START)

        assert await keys.reserve_wraps("team-a", RULE, LATER) is None
        assert await keys.activate(a_data_key(), RULE, LATER)

    async def test_a_disabled_one_gives_way_and_does_not_come_back(
        self, fingerprint_keys: FingerprintKeyStore, keys: DataKeyStore
    ) -> None:
        old, new = a_fingerprint_key(), a_fingerprint_key()
        await fingerprint_keys.keep(old, START)
        await keys.move("team-a", old.data_key_id, DataKeyState.DISABLED)
        assert await fingerprint_keys.current("team-a") is None

        await fingerprint_keys.keep(new, LATER)

        assert await fingerprint_keys.current("team-a") == new
        with pytest.raises(FailedPreconditionError):
            await keys.move("team-a", old.data_key_id, DataKeyState.RETIRED)

    async def test_one_that_was_disabled_is_in_use_again_while_its_place_is_free(
        self, fingerprint_keys: FingerprintKeyStore, keys: DataKeyStore
    ) -> None:
        key = a_fingerprint_key()
        await fingerprint_keys.keep(key, START)
        await keys.move("team-a", key.data_key_id, DataKeyState.DISABLED)

        await keys.move("team-a", key.data_key_id, DataKeyState.RETIRED)

        assert await fingerprint_keys.current("team-a") == key

    async def test_it_is_a_sample_of_its_kek_and_says_what_it_is_for(
        self, fingerprint_keys: FingerprintKeyStore, keys: DataKeyStore
    ) -> None:
        key = a_fingerprint_key(kek_id="kek-2")
        await fingerprint_keys.keep(key, START)

        assert await keys.samples_per_kek(1) == (key,)
        assert (await keys.read("team-a", key.data_key_id)).key == key
