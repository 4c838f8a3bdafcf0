"""What exists in memory, what happened to it, and who may ask.

What arrives is kept in `calls`, so that a test can see where a request went and with what.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import (
    ConflictError,
    ExpiredError,
    KnownError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from protos.splitkeep.metadata.v1.keepers_pb2 import Keeper, KeeperDraft
from protos.splitkeep.metadata.v1.secure_value_pb2 import (
    Preconditions,
    SecureValue,
    SecureValueDraft,
)
from protos.splitkeep.metadata.v1.selector_pb2 import Selector
from protos.splitkeep.metadata.v1.watch_pb2 import EventType
from tests.fakes.gateway.field_owners import owners_after
from tests.fakes.gateway.ordering import after_place, ordered
from tests.fakes.gateway.selection import selects

ItemT = TypeVar("ItemT", SecureValue, Keeper)

ADMIN, READER, WRITER = "admin-token", "reader-token", "writer-token"
CREATOR, DELETER = "creator-token", "deleter-token"
RIGHTS: Mapping[str, frozenset[str]] = {
    ADMIN: frozenset({"create", "read", "write", "delete"}),
    READER: frozenset({"read"}),
    WRITER: frozenset({"write"}),
    CREATOR: frozenset({"create", "write"}),
    DELETER: frozenset({"delete"}),
}
CREATED = Timestamp(seconds=1_771_200_000)

Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """What the history has of one write."""

    namespace: str
    resource_version: int
    before: Any
    after: Any


@dataclass(frozen=True)
class Happening:
    """What a watcher is sent; without an item a bookmark."""

    type: EventType.ValueType
    resource_version: int
    item: Any = None
    initial_end: bool = False


class Store:
    """What exists, and what happened."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Nothing exists and nothing has happened."""
        self.objects: dict[Key, SecureValue] = {}
        self.keepers: dict[Key, Keeper] = {}
        self.values: dict[Key, bytes] = {}
        self.resource_version = 0
        self.changes: list[Change] = []
        self.trimmed = 0
        """Changes up to this one are no longer kept."""
        self.calls: list[tuple[str, Any]] = []
        self.metadata: list[tuple[tuple[str, Any], ...]] = []
        self.failing: KnownError | None = None
        self.failing_rpcs: dict[str, KnownError] = {}
        """By name, such as "vault.Create"."""
        self.interruptions: list[Callable[[], object]] = []
        """The next write is held up until the first of these has run."""
        self.fail_lists_after = -1
        self.longest_page = 500
        self.knows_orderings = True
        """Whether metadata is of a release that follows search and order."""
        self.changed = asyncio.Event()
        self.watches: set[object] = set()
        """Those that are open."""
        self.sent = 0
        """Events that watches were sent."""
        self.bookmarks = 0
        """Every watch has this many to tell, beside what happens."""
        self.ending: KnownError | None = None
        """Every watch ends with this."""

    @property
    def watching(self) -> int:
        """How many watches are open."""
        return len(self.watches)

    def rpcs(self) -> list[str]:
        """Which calls came, in order."""
        return [rpc for rpc, _ in self.calls]

    def caller(self, rpc: str, request: Any, context: Any) -> frozenset[str]:
        """The caller's rights."""
        self.calls.append((rpc, request))
        sent = tuple(context.invocation_metadata())
        self.metadata.append(sent)
        tokens = [value for key, value in sent if key == "x-access-token"]
        if len(tokens) != 1 or tokens[0] not in RIGHTS:
            raise UnauthenticatedError("the token is not valid")
        return RIGHTS[tokens[0]]

    def admit(self, right: str, rpc: str, request: Any, context: Any) -> frozenset[str]:
        """The caller's rights, if `right` is among them."""
        rights = self.caller(rpc, request, context)
        if right not in rights:
            raise PermissionDeniedError
        failure = self.failing or self.failing_rpcs.get(rpc)
        if failure is not None:
            raise failure
        if right in {"create", "write"} and not rpc.endswith("Get") and self.interruptions:
            self.interruptions.pop(0)()
        return rights

    @staticmethod
    def admit_blind(request: Any, rights: frozenset[str]) -> None:
        """Who may only write gets no more than the identity, and only by asking for that."""
        if "read" not in rights and not request.identity_suffices:
            raise PermissionDeniedError

    @staticmethod
    def edited(draft: Any, before: Any, request: Any) -> Any:
        """The draft with what both kinds have, as the edit leaves it."""
        draft.namespace, draft.name = before.namespace, before.name
        given = request.HasField("description")
        draft.description = request.description if given else before.description
        draft.annotations.update(before.annotations)
        draft.labels.update(
            {k: v for k, v in before.labels.items() if k not in request.remove_labels}
        )
        draft.labels.update(request.put_labels)
        draft.manager.CopyFrom(request.manager)
        return draft

    @staticmethod
    def told(item: ItemT, rights: frozenset[str]) -> ItemT:
        """The item to who may read it, else which one it is."""
        if "read" in rights:
            return item
        return type(item)(
            namespace=item.namespace,
            name=item.name,
            uid=item.uid,
            resource_version=item.resource_version,
        )

    def named(self, namespace: str, name: str) -> SecureValue:
        found: SecureValue = found_in(self.objects, namespace, name)
        return found

    def put(
        self,
        draft: SecureValueDraft,
        *,
        version: int,
        dry_run: bool = False,
        value: bytes | None = None,
    ) -> SecureValue:
        """The secure value as it is from here on; nothing is written if nothing changes."""
        before = self.objects.get((draft.namespace, draft.name))
        made = SecureValue(decrypters=draft.decrypters, keeper="system", version=version)
        self._fill(made, draft, before, valued=version != (before.version if before else 0))
        kept: SecureValue = self._keep(self.objects, before, made, dry_run=dry_run)
        if value is not None and not dry_run:
            self.values[made.namespace, made.name] = value
        return kept

    def put_keeper(self, draft: KeeperDraft, *, dry_run: bool = False) -> Keeper:
        """The keeper as it is from here on."""
        before = self.keepers.get((draft.namespace, draft.name))
        made = Keeper(active=before.active if before else False)
        if draft.HasField("aws"):
            made.aws.CopyFrom(draft.aws)
        self._fill(made, draft, before, valued=False)
        kept: Keeper = self._keep(self.keepers, before, made, dry_run=dry_run)
        return kept

    def activate(self, namespace: str, name: str) -> None:
        """Exactly `name` is active from here on; nothing is, when it is `system`."""
        for key, before in list(self.keepers.items()):
            if key[0] == namespace and before.active != (key[1] == name):
                made = Keeper()
                made.CopyFrom(before)
                made.active = key[1] == name
                made.resource_version = self.resource_version + 1
                self._record(self.keepers, before, made)

    def remove(self, items: dict[Key, Any], key: Key) -> None:
        """Gone, with a record of it."""
        before = items.pop(key)
        self.resource_version += 1
        self._note(Change(key[0], self.resource_version, before, None))

    def _fill(self, made: Any, draft: Any, before: Any, *, valued: bool) -> None:
        made.namespace = draft.namespace
        made.name = draft.name or f"{draft.generate_name}{uuid.uuid4().hex[:8]}"
        made.uid = before.uid if before else str(uuid.uuid4())
        made.generation = before.generation + 1 if before else 1
        made.created_at.CopyFrom(CREATED)
        made.updated_at.CopyFrom(CREATED)
        made.created_by = made.updated_by = "user:u1"
        made.description = draft.description
        made.labels.update(draft.labels)
        made.annotations.update(draft.annotations)
        owners = owners_after(before, made, draft.manager, valued=valued, at=CREATED)
        made.field_owners.extend(owners)

    def _keep(self, items: dict[Key, Any], before: Any, made: Any, *, dry_run: bool) -> Any:
        if before is not None and _same(before, made):
            return before
        if dry_run:
            made.resource_version = before.resource_version if before else 0
            return made
        made.resource_version = self.resource_version + 1
        self._record(items, before, made)
        return made

    def _record(self, items: dict[Key, Any], before: Any, made: Any) -> None:
        self.resource_version = made.resource_version
        items[made.namespace, made.name] = made
        self._note(Change(made.namespace, made.resource_version, before, made))

    def bookmark(self) -> None:
        """Every watch tells how far it has come."""
        self.bookmarks += 1
        self.wake()

    def end_watches(self, error: KnownError) -> None:
        """Every watch ends so, from here on."""
        self.ending = error
        self.wake()

    def wake(self) -> None:
        """Every watch looks again at what there is to tell."""
        self.changed.set()
        self.changed = asyncio.Event()

    def _note(self, change: Change) -> None:
        self.changes.append(change)
        self.wake()

    def page(self, items: Mapping[Key, Any], request: Any, size: int) -> list[Any]:
        """Those selected after the name, one more than `size` at most."""
        if 0 < request.since_resource_version < self.trimmed:
            raise ExpiredError
        if request.exact_resource_version not in {0, self.resource_version}:
            raise ExpiredError
        wanted = [
            item
            for (namespace, name), item in sorted(items.items())
            if namespace == request.namespace and selects(request.selector, item)
        ]
        return after_place(ordered(wanted, request), request)[: size + 1]

    async def happenings(
        self, items: Mapping[Key, Any], kind: type, request: Any
    ) -> AsyncIterator[Happening]:
        """What a watch is sent, without end."""
        watches, watch = self.watches, object()
        watches.add(watch)
        try:
            async for happening in self._happenings(items, kind, request):
                self.sent += 1
                yield happening
        finally:
            watches.discard(watch)

    async def _happenings(
        self, items: Mapping[Key, Any], kind: type, request: Any
    ) -> AsyncIterator[Happening]:
        seen = self.resource_version if request.initial else request.after_resource_version
        if seen < self.trimmed:
            raise ExpiredError
        if request.initial:
            for (namespace, _), item in sorted(items.items()):
                if namespace == request.namespace and selects(request.selector, item):
                    yield Happening(EventType.EVENT_TYPE_ADDED, item.resource_version, item)
            yield Happening(EventType.EVENT_TYPE_BOOKMARK, seen, initial_end=True)
        async for happening in self._going_on(kind, request, seen):
            yield happening

    async def _going_on(self, kind: type, request: Any, seen: int) -> AsyncIterator[Happening]:
        told = self.bookmarks
        if not request.initial and seen == self.resource_version:
            yield Happening(EventType.EVENT_TYPE_BOOKMARK, seen)  # the first word is at once
        while self.ending is None:
            changed = self.changed
            for change in [c for c in self.changes if c.resource_version > seen]:
                seen = change.resource_version
                happening = _happening(change, kind, request.selector)
                if change.namespace == request.namespace and happening:
                    yield happening
            if told < self.bookmarks:
                told += 1
                yield Happening(EventType.EVENT_TYPE_BOOKMARK, self.resource_version)
            elif self.ending is None:
                await changed.wait()
        raise self.ending


def _happening(change: Change, kind: type, selector: Selector) -> Happening | None:
    if not isinstance(change.after or change.before, kind):
        return None
    was = change.before is not None and selects(selector, change.before)
    now = change.after is not None and selects(selector, change.after)
    types = {
        (False, True): EventType.EVENT_TYPE_ADDED,
        (True, True): EventType.EVENT_TYPE_MODIFIED,
        (True, False): EventType.EVENT_TYPE_DELETED,
    }
    if (was, now) not in types:
        return None
    item = change.after if now else change.before
    return Happening(types[was, now], change.resource_version, item)


def _same(before: Any, made: Any) -> bool:
    ours, theirs = type(before)(), type(before)()
    ours.CopyFrom(before)
    theirs.CopyFrom(made)
    for copy in (ours, theirs):
        copy.ClearField("resource_version")
        copy.ClearField("generation")
    return bool(ours == theirs)


def found_in(items: Mapping[Key, Any], namespace: str, name: str) -> Any:
    found = items.get((namespace, name))
    if found is None:
        raise NotFoundError
    return found


def compare(seen: Preconditions, now: Any) -> None:
    if seen.HasField("uid") and seen.uid != now.uid:
        raise ConflictError
    if seen.HasField("resource_version") and seen.resource_version != str(now.resource_version):
        raise ConflictError
