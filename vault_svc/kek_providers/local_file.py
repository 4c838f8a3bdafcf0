"""KEKs in a file of the machine: for one node, for development, and as the model of a provider.

The file, readable by its owner alone, or by a group if it belongs to root (a mount):

    {"active": "local-1", "keks": {"local-1": "<base64 of 32 random bytes>"}}

`active` wraps new data keys; every one unwraps those that name it. Losing the file is losing
every value. Start is refused on a file that others may read and on a weak key.
"""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chassis.clock import RandomBytes
from chassis.config import ConfigError
from chassis.file_problems import file_problem
from chassis.file_rules import FileRuleError, Holds, read_file
from chassis.sensitive import Sensitive
from chassis.strict_json import parse_object
from vault_svc.domain.envelope import DataKeyContext, EnvelopeError
from vault_svc.domain.keyring import could_be_kek_id
from vault_svc.domain.sealing import unwrap_data_key, wrap_data_key
from vault_svc.kek_providers.weak_keys import weakness
from vault_svc.ports.keks import KekError, KekProvider, Keks

MAXIMUM_FILE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class LocalKek:
    """See ports.KekProvider. The KEK is in this process's memory."""

    kek_id: str
    key: Sensitive[bytes]
    random: RandomBytes

    async def wrap(self, data_key: Sensitive[bytes], context: DataKeyContext) -> bytes:
        """See ports.KekProvider.wrap."""
        return wrap_data_key(data_key, context, self.key, random=self.random)

    async def unwrap(self, wrapped: bytes, context: DataKeyContext) -> Sensitive[bytes]:
        """See ports.KekProvider.unwrap."""
        try:
            return unwrap_data_key(wrapped, context, self.key)
        except EnvelopeError as error:
            raise KekError(f"the KEK does not unwrap it: {error}") from None


def load_keks(path: Path, random: RandomBytes) -> Keks:
    """The KEKs in the file.

    Raises ConfigError with every problem; none quotes a key.
    """
    document = _document(path)
    active, keks = document.get("active"), document.get("keks")
    problems = []
    if document.keys() - {"active", "keks"}:
        problems.append("must hold nothing but active and keks")
    if not isinstance(active, str):
        problems.append("active must name a KEK")
    if not isinstance(keks, dict) or not keks:
        problems.append("keks must hold at least one KEK")
    keys = _keys(keks if isinstance(keks, dict) else {}, problems)
    if isinstance(active, str) and keys and active not in keys:
        problems.append("active names no KEK of the file")
    if problems or not isinstance(active, str):
        raise _config_error(path, *problems)
    providers: dict[str, KekProvider] = {
        kek_id: LocalKek(kek_id, key, random) for kek_id, key in keys.items()
    }
    return Keks(providers.pop(active), tuple(providers.values()))


def _document(path: Path) -> dict[str, Any]:
    try:
        content = read_file(path, Holds.KEY, maximum_bytes=MAXIMUM_FILE_BYTES)
    except FileRuleError as error:
        raise _config_error(path, str(error)) from None
    except OSError as error:
        raise _config_error(path, file_problem(error)) from None
    try:
        return parse_object(content)
    except ValueError as error:
        raise _config_error(path, f"is {error}") from None


def _keys(entries: dict[str, Any], problems: list[str]) -> dict[str, Sensitive[bytes]]:
    """Each KEK's bytes; adds to the problems. A KEK with a problem is there all the same."""
    keys = {}
    for number, (kek_id, text) in enumerate(entries.items(), 1):
        key = _decoded(text)
        problem = "is not base64" if key is None else weakness(key)
        if problem:
            problems.append(f"KEK number {number} {problem}")
        if not could_be_kek_id(kek_id):
            # Not quoted: it may be the key, put on the wrong side of the colon.
            rule = "must have an id of 1 to 63 of a-z, 0-9, '.', '_' and '-'"
            problems.append(f"KEK number {number} {rule}")
        keys[kek_id] = Sensitive(key or b"")
    return keys


def _decoded(text: object) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None


def _config_error(path: Path, *problems: str) -> ConfigError:
    return ConfigError(tuple(f"{path}: {problem}" for problem in problems))
