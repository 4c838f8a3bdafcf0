"""Get: one object, as a caller who may read it, or wants to update it, sees it."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from chassis.caller import Caller
from chassis.errors import PermissionDeniedError
from metadata_svc.domain.access import managing_scope
from metadata_svc.domain.resource import Kind, not_found
from metadata_svc.domain.resource_rules import require_valid_address
from metadata_svc.use_cases.access import authorise
from metadata_svc.use_cases.kinds import READ, WRITE

T_co = TypeVar("T_co", covariant=True)


class Getter(Protocol[T_co]):
    """What this needs of ports.Reader or ports.KeeperReader."""

    async def get(self, namespace: str, name: str) -> T_co | None:
        """The live object, if there is one. Raises UnavailableError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRequest:
    """Which object; `to_update` asks for the right to write it instead of that to read it.

    A caller who has only the former is refused, unless `identity_suffices`.
    """

    namespace: str
    name: str
    to_update: bool = False
    identity_suffices: bool = False


@dataclass(frozen=True, slots=True)
class Found(Generic[T_co]):
    """An object, and whether the caller may see it, or only which one it is."""

    resource: T_co
    readable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads(Generic[T_co]):
    """One kind's objects, one at a time."""

    kind: Kind
    reader: Getter[T_co]

    async def get(self, caller: Caller, request: GetRequest) -> Found[T_co]:
        """The live object.

        Raises PermissionDeniedError, InvalidArgumentError, NotFoundError.
        """
        namespace, name = request.namespace, request.name
        needed = WRITE if request.to_update else READ
        authorise(caller, needed[self.kind], namespace, name)
        readable = managing_scope(caller, READ[self.kind], namespace).covers(name)
        if not readable and not request.identity_suffices:
            raise PermissionDeniedError(
                f"{READ[self.kind].value} is not granted here, and without it there are only "
                "edits that do not read the object"
            )
        require_valid_address(namespace, name)
        found = await self.reader.get(namespace, name)
        if found is None:
            raise not_found(self.kind, name)
        return Found(found, readable)
