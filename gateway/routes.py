"""Which verb of which path is whose: one table for both kinds, in every version."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from chassis.sensitive import Sensitive
from gateway.clients.keepers import KeepersClient
from gateway.clients.resources import Resources
from gateway.clients.secure_values import SecureValuesClient
from gateway.discovery.groups import (
    ACCESS_REVIEW,
    AUTHENTICATION,
    AUTHORIZATION,
    IDENTITY_REVIEW,
    RULES_REVIEW,
)
from gateway.kinds import KEEPER, SECURE_VALUE, VERSIONS, Kind, Target
from gateway.queries.query import query_from
from gateway.representation.keepers import KeeperRepresentation
from gateway.representation.object_meta import StoredObject
from gateway.representation.representation import Representation
from gateway.representation.secure_values import SecureValueRepresentation
from gateway.resources.activation import Activation
from gateway.resources.deletes import Deletes
from gateway.resources.edits import Edits
from gateway.resources.event_streams import Streaming
from gateway.resources.lists import Lists
from gateway.resources.patches import Patches
from gateway.resources.reads import Reads
from gateway.resources.watches import Watches
from gateway.resources.writes import Writes
from gateway.reviews.answers import Reviews

ItemT = TypeVar("ItemT", bound=StoredObject)
WriteT = TypeVar("WriteT")

Verb: TypeAlias = Callable[[Target, Request, Sensitive[str]], Awaitable[Response]]
Verbs: TypeAlias = Mapping[str, Verb]
"""By HTTP method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindVerbs:
    """What can be done to one kind, by place."""

    kind: Kind
    versions: tuple[str, ...] = VERSIONS
    everywhere: Verbs = field(default_factory=dict)
    collection: Verbs = field(default_factory=dict)
    item: Verbs = field(default_factory=dict)
    subresources: Mapping[str, Verbs] = field(default_factory=dict)


def secure_value_verbs(client: SecureValuesClient, streaming: Streaming) -> KindVerbs:
    """The verbs of `securevalues`."""
    representation = SecureValueRepresentation()
    everywhere, collection, item = _verbs(client, representation, streaming)
    return KindVerbs(
        kind=SECURE_VALUE,
        everywhere=everywhere,
        collection=collection,
        item=item,
        subresources={"edit": {"POST": Edits(client, representation).edit}},
    )


def keeper_verbs(client: KeepersClient, streaming: Streaming) -> KindVerbs:
    """The verbs of `keepers`."""
    representation = KeeperRepresentation()
    everywhere, collection, item = _verbs(client, representation, streaming)
    activation = Activation(client, representation)
    return KindVerbs(
        kind=KEEPER,
        everywhere=everywhere,
        collection=collection,
        item=item,
        subresources={
            "activate": {"POST": activation.activate},
            "edit": {"POST": Edits(client, representation).edit},
        },
    )


def review_verbs(reviews: Reviews) -> tuple[KindVerbs, ...]:
    """The verbs of the reviews, which belong to no namespace."""
    versions = AUTHORIZATION.versions
    return (
        KindVerbs(kind=ACCESS_REVIEW, versions=versions, everywhere={"POST": reviews.access}),
        KindVerbs(kind=RULES_REVIEW, versions=versions, everywhere={"POST": reviews.rules}),
        KindVerbs(
            kind=IDENTITY_REVIEW,
            versions=AUTHENTICATION.versions,
            everywhere={"POST": reviews.identity},
        ),
    )


def _verbs(
    client: Resources[ItemT, WriteT],
    representation: Representation[ItemT, WriteT],
    streaming: Streaming,
) -> tuple[Verbs, Verbs, Verbs]:
    reads, lists = Reads(client, representation), Lists(client, representation)
    watches, writes = Watches(client, representation, streaming), Writes(client, representation)
    patches, deletes = Patches(client, representation), Deletes(client, representation)
    collection: Verbs = {
        "GET": _list_or_watch(lists.list, watches.watch),
        "POST": writes.create,
        "DELETE": deletes.delete_collection,
    }
    item: Verbs = {
        "GET": reads.get,
        "PUT": writes.replace,
        "PATCH": patches.patch,
        "DELETE": deletes.delete,
    }
    return {"GET": reads.everywhere}, collection, item


def _list_or_watch(list_: Verb, watch: Verb) -> Verb:
    async def get(target: Target, request: Request, token: Sensitive[str]) -> Response:
        watched = query_from(request.scope["query_string"]).flag("watch")
        return await (watch if watched else list_)(target, request, token)

    return get


def paths_of(verbs: KindVerbs, version: str) -> Iterator[tuple[str, str, Verbs]]:
    """Every path template of the kind, the subresource that it names, and its verbs."""
    base, plural = f"/apis/{verbs.kind.group}/{version}", verbs.kind.plural
    collection = f"{base}/namespaces/{{namespace}}/{plural}"
    places = [
        (f"{base}/{plural}", "", verbs.everywhere),
        (collection, "", verbs.collection),
        (f"{collection}/{{name}}", "", verbs.item),
    ]
    for subresource, of_subresource in verbs.subresources.items():
        places.append((f"{collection}/{{name}}/{subresource}", subresource, of_subresource))
    yield from (place for place in places if place[2])
