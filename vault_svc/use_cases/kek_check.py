"""Whether the KEKs at hand are the ones that the data keys were wrapped under.

A KEK that unwraps none of its data keys is another one, or is not there, and nothing may
start like that: unless an operator says that the KEK is lost. Then what lies under it fails
when it is asked for, and nothing else does. A KEK that unwraps some of its data keys is the
right one, and the others are damaged; so is a data key that names what no KEK can be called.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog

from vault_svc.domain.keyring import WrappedDataKey, could_be_kek_id
from vault_svc.ports.data_keys import DataKeyStore, KekUsage
from vault_svc.ports.keks import KekError, Keks

SAMPLES_PER_KEK = 100
MAXIMUM_PROBLEMS = 20
NOTHING = KekUsage(0, 0)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KekFindings:
    """What a start has to know of the KEKs."""

    problems: tuple[str, ...]  # why a start is refused
    lost: Mapping[str, KekUsage]  # KEKs to do without, and what lies under them


async def check_keks(
    store: DataKeyStore, keks: Keks, declared_lost: Collection[str] = ()
) -> KekFindings:
    """What is wrong with the KEKs that data keys name, but for those declared lost.

    A declaration never takes a KEK away that is there. Damaged data keys and declarations
    without effect are logged. Raises UnavailableError if the store or a KEK cannot be had.
    """
    faults = await _faults_per_kek(store, keks)
    usage = await store.kek_usage(faults)
    lost = {kek_id: usage.get(kek_id, NOTHING) for kek_id in faults if kek_id in declared_lost}
    _log_declared(sorted(set(declared_lost) - lost.keys()), keks)
    problems = [
        f"KEK {kek_id}: {fault}; {_amount(usage.get(kek_id, NOTHING))} under it"
        for kek_id, fault in faults.items()
        if kek_id not in lost
    ]
    if keks.active.kek_id in lost:
        problems.append(
            f"KEK {keks.active.kek_id} is declared lost and is the active one: "
            "make another KEK, under an id of its own, the active one"
        )
    return KekFindings(tuple(problems[:MAXIMUM_PROBLEMS]), lost)


async def _faults_per_kek(store: DataKeyStore, keks: Keks) -> dict[str, str]:
    """What is wrong with each KEK that unwraps none of the data keys that name it."""
    samples = sorted(await store.samples_per_kek(SAMPLES_PER_KEK), key=_kek_id)
    faults = {}
    for kek_id, named in groupby(samples, key=_kek_id):
        keys = list(named)
        found = [fault for key in keys if (fault := await _fault(keks, key))]
        if len(found) == len(keys) and could_be_kek_id(kek_id):
            faults[kek_id] = found[0]
        else:
            _log_damaged(keys, found)
    return faults


def _log_damaged(keys: Sequence[WrappedDataKey], faults: Iterable[str]) -> None:
    """Without the KEK id if it is none: it may be anything."""
    kek_id = keys[0].kek_id if could_be_kek_id(keys[0].kek_id) else ""
    for fault in faults:
        _log.error("a data key is damaged", kek_id=kek_id, fault=fault)


def _log_declared(without_effect: Iterable[str], keks: Keks) -> None:
    for kek_id in without_effect:
        if kek_id in keks.ids:
            _log.warning("a KEK that is declared lost is there and is used", kek_id=kek_id)
        else:
            _log.warning("a KEK is declared lost that no data key names", kek_id=kek_id)


def _amount(usage: KekUsage) -> str:
    return f"{usage.data_key_count} data keys of {usage.namespace_count} namespaces are"


def _kek_id(key: WrappedDataKey) -> str:
    return key.kek_id


async def _fault(keks: Keks, key: WrappedDataKey) -> str:
    try:
        await keks.named(key.kek_id).unwrap(key.wrapped_key, key.context)
    except KekError as error:
        return f"data key {key.data_key_id} of namespace {key.namespace}: {error}"
    return ""
