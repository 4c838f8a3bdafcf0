"""Kubernetes `DeleteOptions`: what a DELETE may say in its body or its query."""

from collections.abc import Iterator
from dataclasses import dataclass

from chassis.errors import FieldViolation, InvalidArgumentError, Rule
from gateway.bodies.fields import Fields
from gateway.bodies.request_json import JsonObject
from gateway.kinds import GROUP, VERSIONS
from gateway.queries.query import Query, dry_run
from gateway.representation.object_meta import check_type
from protos.splitkeep.metadata.v1.secure_value_pb2 import Preconditions

API_VERSIONS = ("v1", "meta.k8s.io/v1", *(f"{GROUP}/{version}" for version in VERSIONS))

DRY_RUN, GRACE, POLICY = "dryRun", "gracePeriodSeconds", "propagationPolicy"
POLICIES = ("Orphan", "Background", "Foreground")

MAX_SECONDS = 2**63 - 1
_LONGEST = len(str(MAX_SECONDS))


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The part that means something here; there is nothing to propagate or to wait for."""

    preconditions: Preconditions
    dry_run: bool


def delete_options_from(tree: JsonObject, query: Query) -> DeleteOptions:
    """A dry run if either place asks for one.

    What means nothing here is refused all the same where it is no such option: who misspells
    one may have misspelt `dryRun` too. Raises BadRequestError, InvalidArgumentError.
    """
    body = Fields(tree)
    check_type(body, kind="DeleteOptions", api_versions=API_VERSIONS)
    asked_in_body = dry_run(tuple(body.texts(DRY_RUN)), field=DRY_RUN)
    asked_in_query = dry_run(query.all(DRY_RUN), field=DRY_RUN)
    violations = (*_in_body(body), *_in_query(query))
    if violations:
        raise InvalidArgumentError(violations=violations)
    return DeleteOptions(
        preconditions=_preconditions(body.child("preconditions")),
        dry_run=asked_in_body or asked_in_query,
    )


def _in_body(body: Fields) -> Iterator[FieldViolation]:
    seconds = body.members.get(GRACE)
    if seconds is not None:
        yield from _about_seconds(seconds)
    policy = body.text_if_present(POLICY)
    if policy is not None:
        yield from _about_policy(policy)


def _in_query(query: Query) -> Iterator[FieldViolation]:
    """Raises BadRequestError: one is given twice."""
    seconds, policy = query.text(GRACE), query.text(POLICY)
    if query.all(GRACE):
        digits = seconds.removeprefix("-")
        whole = digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST
        yield from _about_seconds(int(seconds) if whole else seconds)
    if query.all(POLICY):
        yield from _about_policy(policy)


def _about_seconds(seconds: object) -> Iterator[FieldViolation]:
    if not isinstance(seconds, int) or isinstance(seconds, bool) or abs(seconds) > MAX_SECONDS:
        yield FieldViolation(GRACE, Rule.TYPE_INVALID, "must be a whole number")
    elif seconds < 0:
        yield FieldViolation(GRACE, Rule.INVALID, "must not be negative")


def _about_policy(policy: str) -> Iterator[FieldViolation]:
    if policy not in POLICIES:
        yield FieldViolation(POLICY, Rule.INVALID, f"must be {' or '.join(POLICIES)}")


def _preconditions(body: Fields) -> Preconditions:
    """Compared as they stand: unlike an object, whoever says "0" here means it."""
    return Preconditions(
        uid=body.text("uid") or None, resource_version=body.text("resourceVersion") or None
    )
