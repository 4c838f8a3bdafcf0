"""Kubernetes `DeleteOptions`: what a DELETE may say in its body or its query."""

from dataclasses import dataclass

from gateway.bodies.fields import Fields
from gateway.bodies.request_json import JsonObject
from gateway.kinds import GROUP, VERSIONS
from gateway.queries.query import Query, dry_run
from gateway.representation.object_meta import check_type
from protos.splitkeep.metadata.v1.secure_value_pb2 import Preconditions

API_VERSIONS = ("v1", "meta.k8s.io/v1", *(f"{GROUP}/{version}" for version in VERSIONS))


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The part that means something here; there is nothing to propagate or to wait for."""

    preconditions: Preconditions
    dry_run: bool


def delete_options_from(tree: JsonObject, query: Query) -> DeleteOptions:
    """A dry run if either place asks for one. Raises BadRequestError."""
    body = Fields(tree)
    check_type(body, kind="DeleteOptions", api_versions=API_VERSIONS)
    asked_in_body = dry_run(tuple(body.texts("dryRun")), field="dryRun")
    asked_in_query = dry_run(query.all("dryRun"), field="dryRun")
    return DeleteOptions(
        preconditions=_preconditions(body.child("preconditions")),
        dry_run=asked_in_body or asked_in_query,
    )


def _preconditions(body: Fields) -> Preconditions:
    """Compared as they stand: unlike an object, whoever says "0" here means it."""
    return Preconditions(
        uid=body.text("uid") or None, resource_version=body.text("resourceVersion") or None
    )
