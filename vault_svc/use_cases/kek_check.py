"""Whether the KEKs at hand are the ones that the data keys were wrapped under."""

from vault_svc.domain.keyring import WrappedDataKey
from vault_svc.ports.data_keys import DataKeyStore
from vault_svc.ports.keks import KekError, Keks

SAMPLES_PER_KEK = 100


async def kek_problems(store: DataKeyStore, keks: Keks) -> tuple[str, ...]:
    """For each KEK that data keys name: what is wrong with it here; empty if all is well.

    Raises UnavailableError if the store or a KEK cannot be had.
    """
    problems: dict[str, str] = {}
    for key in await store.samples_per_kek(SAMPLES_PER_KEK):
        if key.kek_id not in problems:
            problem = await _problem(keks, key)
            problems |= {key.kek_id: problem} if problem else {}
    return tuple(f"KEK {kek_id}: {problem}" for kek_id, problem in sorted(problems.items()))


async def _problem(keks: Keks, key: WrappedDataKey) -> str:
    try:
        await keks.named(key.kek_id).unwrap(key.wrapped_key, key.context)
    except KekError as error:
        return f"data key {key.data_key_id} of namespace {key.namespace}: {error}"
    return ""
