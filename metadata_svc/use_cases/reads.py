"""Get: one resource, as a caller who may read it sees it."""

from dataclasses import dataclass

from chassis.caller import Caller
from metadata_svc.domain.access import Action
from metadata_svc.domain.resource import Kind, not_found
from metadata_svc.domain.resource_rules import require_valid_address
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.reader import Reader
from metadata_svc.use_cases.access import authorise


@dataclass(frozen=True, slots=True)
class SecureValueReads:
    """What a caller with the read action may see."""

    reader: Reader

    async def get(self, caller: Caller, namespace: str, name: str) -> SecureValue:
        """The live secure value.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError.
        """
        authorise(caller, Action.READ, namespace, name)
        require_valid_address(namespace, name)
        found = await self.reader.get(namespace, name)
        if found is None:
            raise not_found(Kind.SECURE_VALUE, name)
        return found
