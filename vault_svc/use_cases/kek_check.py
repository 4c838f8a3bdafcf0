"""Whether the KEKs at hand are the ones that the data keys were wrapped under.

A KEK that unwraps none of its data keys is another one, and nothing may start with it. One that
unwraps some is the right one, and the others are damaged: what lies under those fails when it
is asked for, and nothing else does.
"""

from itertools import groupby

import structlog

from vault_svc.domain.keyring import WrappedDataKey
from vault_svc.ports.data_keys import DataKeyStore
from vault_svc.ports.keks import KekError, Keks

SAMPLES_PER_KEK = 100

_log = structlog.get_logger(__name__)


async def kek_problems(store: DataKeyStore, keks: Keks) -> tuple[str, ...]:
    """For each KEK that data keys name: what is wrong with it here; empty if all is well.

    Damaged data keys are logged. Raises UnavailableError if the store or a KEK cannot be had.
    """
    samples = sorted(await store.samples_per_kek(SAMPLES_PER_KEK), key=_kek_id)
    problems = []
    for kek_id, named in groupby(samples, key=_kek_id):
        keys = list(named)
        faults = [fault for key in keys if (fault := await _fault(keks, key))]
        if len(faults) == len(keys):
            problems.append(f"KEK {kek_id}: {faults[0]}")
            continue
        for fault in faults:
            _log.error("a data key is damaged", kek_id=kek_id, fault=fault)
    return tuple(problems)


def _kek_id(key: WrappedDataKey) -> str:
    return key.kek_id


async def _fault(keks: Keks, key: WrappedDataKey) -> str:
    try:
        await keks.named(key.kek_id).unwrap(key.wrapped_key, key.context)
    except KekError as error:
        return f"data key {key.data_key_id} of namespace {key.namespace}: {error}"
    return ""
