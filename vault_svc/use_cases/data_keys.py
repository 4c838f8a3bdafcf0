"""Data keys made ready to use: which one seals now, and any of them to open with.

- A data key is committed, and has been unwrapped again, before anything is sealed under it.
- Its wraps are counted durably before they are used, a block at a time: a crash over-counts.
- Whether a key is active is asked again by the statement that stores a value, whether it opens
  by the one that reads one; what is remembered of it here is bytes.
"""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import structlog

from chassis.clock import Clock, RandomBytes
from chassis.errors import FailedPreconditionError, UnavailableError
from chassis.sensitive import Sensitive
from vault_svc.domain.envelope import KEY_BYTES, DataKeyContext, KeyPurpose
from vault_svc.domain.keyring import DataKeyState, ReplacementRule, WrappedDataKey
from vault_svc.domain.sealing import DataKey
from vault_svc.ports.data_keys import DataKeyStore
from vault_svc.ports.keks import KekError, Keks
from vault_svc.use_cases.recent import Recent
from vault_svc.use_cases.single_flight import SingleFlight
from vault_svc.use_cases.unwrapped_keys import CacheBounds, KeyKind, UnwrappedKeys

ATTEMPTS = 5
UUID_BYTES = 16

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Sealing:
    """A namespace's active key and how many of the wraps reserved for this process are left."""

    key: DataKey
    wraps_left: int


class DataKeys:
    """The data keys that this process has unwrapped."""

    def __init__(
        self,
        *,
        store: DataKeyStore,
        keks: Keks,
        clock: Clock,
        random: RandomBytes,
        rule: ReplacementRule,
        bounds: CacheBounds,
    ) -> None:
        self._store = store
        self._keks = keks
        self._clock = clock
        self._random = random
        self._rule = rule
        self._unwrapped = UnwrappedKeys(
            KeyKind(KeyPurpose.SEAL, DataKey.of), keks=keks, clock=clock, bounds=bounds
        )
        self._sealing: Recent[str, _Sealing] = Recent(
            clock, limit=bounds.limit, lifetime_seconds=bounds.lifetime_seconds
        )
        self._reservations: SingleFlight[str, None] = SingleFlight()

    async def ready(self, namespace: str) -> DataKey:
        """The namespace's active data key, made if there is none; one of its wraps is used up.

        Raises UnavailableError if the store or the KEK cannot be had.
        """
        while (key := self._take(namespace)) is None:
            await self._reservations.run(namespace, lambda: self._reserve(namespace))
        return key

    def forget_active(self, namespace: str) -> None:
        """The next `ready` asks the store which key is active."""
        self._sealing.drop(namespace)

    async def unwrapped(self, wrapped: WrappedDataKey) -> DataKey:
        """The key itself, whatever its state: that is the caller's to heed.

        Raises KekError if its KEK does not unwrap it, UnavailableError if it cannot be had.
        """
        return await self._unwrapped.get(wrapped)

    def _take(self, namespace: str) -> DataKey | None:
        sealing = self._sealing.get(namespace)
        if sealing is None or sealing.wraps_left == 0:
            return None
        sealing.wraps_left -= 1
        return sealing.key

    async def _reserve(self, namespace: str) -> None:
        for _ in range(ATTEMPTS):
            now = self._clock.now()
            wrapped = await self._store.reserve_wraps(namespace, self._rule, now)
            if wrapped is None:
                await self._create(namespace)
                continue
            if wrapped.kek_id in self._keks.lost:
                await self._retire(wrapped)
                continue
            try:
                key = await self.unwrapped(wrapped)
            except KekError as error:
                raise UnavailableError("the active data key cannot be unwrapped") from error
            self._sealing.put(namespace, _Sealing(key, self._rule.wraps_per_reservation))
            return
        raise UnavailableError("no data key became active")

    async def _retire(self, lost: WrappedDataKey) -> None:
        """The namespace can be written to again; what lies under the key waits for its KEK."""
        with suppress(FailedPreconditionError):  # somebody else has done it
            await self._store.move(lost.namespace, lost.data_key_id, DataKeyState.RETIRED)
        _log.warning(
            "a data key under a lost KEK is retired",
            namespace=lost.namespace,
            data_key_id=str(lost.data_key_id),
            kek_id=lost.kek_id,
        )

    async def _create(self, namespace: str) -> None:
        kek = self._keks.active
        context = DataKeyContext(namespace, self._new_id(), kek.kek_id)
        wrapped_key = await kek.wrap(Sensitive(self._random(KEY_BYTES)), context)
        await self._store.activate(
            WrappedDataKey(
                namespace=namespace,
                data_key_id=context.data_key_id,
                kek_id=context.kek_id,
                state=DataKeyState.ACTIVE,
                wrapped_key=wrapped_key,
            ),
            self._rule,
            self._clock.now(),
        )

    def _new_id(self) -> UUID:
        return UUID(bytes=self._random(UUID_BYTES), version=4)
