"""One PATCH being carried out: read, changed, written; again where another was faster."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from chassis.errors import AlreadyExistsError, ConflictError, NotFoundError
from chassis.sensitive import Sensitive
from gateway.bodies.field_validation import problems_in, warnings_of
from gateway.bodies.request_json import JsonObject
from gateway.bodies.request_tree import check_tree
from gateway.clients.resources import Found, Resources, WriteOptions
from gateway.errors import UnprocessableError
from gateway.kinds import Target
from gateway.patches.blind_edit import edit_of
from gateway.patches.merge_patch import MergePatch
from gateway.patches.patch import Live
from gateway.patches.reading import PatchRead
from gateway.patches.transfers import transfer_in
from gateway.queries.write_query import WriteQuery
from gateway.representation.object_meta import NO_VERSION, StoredObject, identity_to_json
from gateway.representation.representation import Representation, as_told
from protos.splitkeep.metadata.v1.field_owner_pb2 import FieldManager, FieldsTransfer

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")

ATTEMPTS = 5
"""How often one patch is made when other writers are faster."""

PINS = ("uid", "resourceVersion")
"""What a client may name in `metadata` to say which object it means."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is answered."""

    document: JsonObject
    warnings: tuple[str, ...]
    status_code: int = 200


class OvertakenError(Exception):
    """Another writer was faster; the patch may be made on what there is now."""

    def __init__(self, known: ConflictError | NotFoundError | AlreadyExistsError) -> None:
        super().__init__()
        self.known = known


@dataclass(frozen=True, slots=True, kw_only=True)
class Patching(Generic[ItemT, WriteT]):
    """A request to patch one object, with all that is needed to carry it out."""

    client: Resources[ItemT, WriteT]
    representation: Representation[ItemT, WriteT]
    target: Target
    asked: WriteQuery
    read: PatchRead
    token: Sensitive[str]

    async def until_written(self) -> Outcome:
        """The object once the patch is written.

        Raises what Resources.get, update and create raise, BadRequestError, UnprocessableError
        and ApplyConflictError. After ATTEMPTS, what the last one came to.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt()
            except OvertakenError as overtaken:
                known = overtaken.known
            if attempt == ATTEMPTS:
                raise known
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self) -> Outcome:
        found = await self._found()
        if found is None:
            return await self._create()
        if not found.readable:
            return await self._edit()
        return await self._update(found)

    async def _edit(self) -> Outcome:
        """What a caller may do who does not see the object. Raises PermissionDeniedError."""
        patch = self.read.patch
        edit = edit_of(patch, self.target, self.read.manager, self.representation)
        warnings = self._warnings(patch.tree if isinstance(patch, MergePatch) else {})
        options = WriteOptions(dry_run=self.asked.dry_run)
        made = await self.client.edit(edit, options=options, token=self.token)
        return Outcome(as_told(made, self.representation, self.target), warnings)

    async def _found(self) -> Found[ItemT] | None:
        """The object, by the right to write it; None if there is none and one can be made."""
        try:
            return await self.client.get(
                namespace=self.target.namespace,
                name=self.target.name,
                to_update=True,
                token=self.token,
            )
        except NotFoundError:
            if self.read.patch.created() is None:
                raise
        return None

    async def _create(self) -> Outcome:
        tree = self.read.patch.created() or {}
        if _pins(tree):
            raise ConflictError
        write, warnings = self._write_of(tree)
        options = WriteOptions(dry_run=self.asked.dry_run)
        try:
            made = await self.client.create(write, options=options, token=self.token)
        except AlreadyExistsError as error:
            raise OvertakenError(error) from None
        document = self.representation.to_json(made, self.target)
        return Outcome(document, warnings, status_code=201)

    async def _update(self, found: Found[ItemT]) -> Outcome:
        tree, pinned_by_client = self._patched(found)
        write, warnings = self._write_of(tree, transfer_in(found.item.field_owners, tree))
        options = WriteOptions(dry_run=self.asked.dry_run)
        try:
            made = await self.client.update(write, options=options, token=self.token)
        except (ConflictError, NotFoundError) as error:
            if pinned_by_client:
                raise
            raise OvertakenError(error) from None
        return Outcome(as_told(made, self.representation, self.target), warnings)

    def _patched(self, found: Found[ItemT]) -> tuple[JsonObject, bool]:
        """The object as it is to be, pinned to the state it was read in.

        With it, whether the client had pinned it to another.
        """
        seen = _pins(identity_to_json(found.item, self.target))
        live = Live(
            tree=self.representation.to_json(found.item, self.target),
            owners=found.item.field_owners,
        )
        tree = self.read.patch.made_on(live)
        if not isinstance(tree, dict):
            raise UnprocessableError("the patch makes something else than an object")
        check_tree(tree)
        named = _pins(tree)
        metadata = tree.get("metadata")
        if metadata is None or isinstance(metadata, dict):
            tree["metadata"] = (metadata or {}) | seen | named
        return tree, any(seen[key] != value for key, value in named.items())

    def _write_of(
        self, tree: JsonObject, transfer: FieldsTransfer | None = None
    ) -> tuple[WriteT, tuple[str, ...]]:
        warnings = self._warnings(tree)
        manager = FieldManager(transfer=transfer)
        manager.MergeFrom(self.read.manager)
        write = self.representation.write_from(tree, self.target, manager)
        return write, warnings

    def _warnings(self, tree: object) -> tuple[str, ...]:
        problems = problems_in(tree, self.representation.schema, self.read.repeated)
        return warnings_of(problems, self.asked.validation)


def _pins(tree: JsonObject) -> JsonObject:
    """The uid and the resourceVersion that the object names."""
    metadata = tree.get("metadata")
    if not isinstance(metadata, dict):
        return {}
    named = {key: metadata[key] for key in PINS if metadata.get(key)}
    if named.get("resourceVersion") == NO_VERSION:
        del named["resourceVersion"]
    return named
