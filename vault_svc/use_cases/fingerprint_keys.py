"""The key that tells the requests of a namespace apart, made when the first one needs it.

It is never replaced by age: what it fingerprinted could not be told again. An HMAC key does not
wear out; one that is disabled gives way to a new one.
"""

from uuid import UUID

from chassis.clock import Clock, RandomBytes
from chassis.errors import UnavailableError
from chassis.sensitive import Sensitive
from vault_svc.domain.access import could_be_name
from vault_svc.domain.envelope import KEY_BYTES, DataKeyContext, KeyPurpose
from vault_svc.domain.fingerprint import FingerprintKey
from vault_svc.domain.keyring import DataKeyState, WrappedDataKey
from vault_svc.ports.fingerprint_keys import FingerprintKeyStore
from vault_svc.ports.keks import KekError, Keks
from vault_svc.use_cases.single_flight import SingleFlight
from vault_svc.use_cases.unwrapped_keys import CacheBounds, KeyKind, UnwrappedKeys

ATTEMPTS = 5
UUID_BYTES = 16


class FingerprintKeys:
    """The fingerprint keys that this process has unwrapped."""

    def __init__(
        self,
        *,
        store: FingerprintKeyStore,
        keks: Keks,
        clock: Clock,
        random: RandomBytes,
        bounds: CacheBounds,
    ) -> None:
        self._store = store
        self._keks = keks
        self._clock = clock
        self._random = random
        self._unwrapped = UnwrappedKeys(
            KeyKind(KeyPurpose.FINGERPRINT, FingerprintKey.of),
            keks=keks,
            clock=clock,
            bounds=bounds,
        )
        self._creations: SingleFlight[str, None] = SingleFlight()

    async def current(self, namespace: str) -> FingerprintKey | None:
        """The namespace's key, if it has one that is not under a lost KEK.

        Raises UnavailableError if the store or the KEK cannot be had.
        """
        if not could_be_name(namespace):
            return None
        wrapped = await self._store.current(namespace)
        if wrapped is None or wrapped.kek_id in self._keks.lost:
            return None
        try:
            return await self._unwrapped.get(wrapped)
        except KekError as error:
            raise UnavailableError("the fingerprint key cannot be unwrapped") from error

    async def ready(self, namespace: str) -> FingerprintKey:
        """The namespace's key, made if there is none; every replica has the same one.

        Raises UnavailableError if the store or the KEK cannot be had.
        """
        for _ in range(ATTEMPTS):
            key = await self.current(namespace)
            if key is not None:
                return key
            await self._creations.run(namespace, lambda: self._replace(namespace))
        raise UnavailableError("no fingerprint key came into use")

    async def _replace(self, namespace: str) -> None:
        """A key in use whose KEK is lost gives way: nothing can be told by it any more."""
        wrapped = await self._store.current(namespace)
        if wrapped is not None and wrapped.kek_id in self._keks.lost:
            await self._store.give_up(wrapped)
        await self._create(namespace)

    async def _create(self, namespace: str) -> None:
        kek = self._keks.active
        key_id = UUID(bytes=self._random(UUID_BYTES), version=4)
        context = DataKeyContext(namespace, key_id, kek.kek_id, KeyPurpose.FINGERPRINT)
        wrapped_key = await kek.wrap(Sensitive(self._random(KEY_BYTES)), context)
        key = WrappedDataKey(
            namespace=namespace,
            data_key_id=key_id,
            kek_id=kek.kek_id,
            state=DataKeyState.RETIRED,
            wrapped_key=wrapped_key,
            purpose=KeyPurpose.FINGERPRINT,
        )
        await self._store.keep(key, self._clock.now())
