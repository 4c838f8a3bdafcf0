"""Resolve: which of these names may a service identity decrypt, and where are their values."""

from collections.abc import Sequence
from dataclasses import dataclass

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from metadata_svc.domain.access import Resolution, resolve
from metadata_svc.domain.text import is_name, is_namespace
from metadata_svc.ports.reader import Reader

MAX_NAMES = 1000


@dataclass(frozen=True, slots=True)
class ResolveNames:
    """Decides for the vault, which verified the identity; no cache has a say."""

    reader: Reader

    async def resolve(
        self, namespace: str, names: Sequence[str], service_identity: str
    ) -> tuple[Resolution, ...]:
        """One answer for each name, in the order asked; what cannot be a name is not found.

        Raises InvalidArgumentError for a blank identity or more than 1 000 names.
        """
        _require_askable(names, service_identity)
        wanted = sorted({name for name in names if is_name(name)})
        found = {}
        if wanted and is_namespace(namespace):
            found = await self.reader.locate(namespace, wanted)
        return tuple(resolve(name, found.get(name), service_identity) for name in names)


def _require_askable(names: Sequence[str], service_identity: str) -> None:
    if len(names) > MAX_NAMES:
        message = f"must have at most {MAX_NAMES} items"
        raise InvalidArgumentError(
            violations=(FieldViolation("names", Rule.TOO_MANY, message),)
        )
    if not service_identity.strip():
        violation = FieldViolation("service_identity", Rule.REQUIRED, "is required")
        raise InvalidArgumentError(violations=(violation,))
