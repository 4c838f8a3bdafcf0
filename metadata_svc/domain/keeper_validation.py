"""The rules of a keeper's fields: every violation at once, under its REST path.

Lengths of the role's ARN and of the external id are those of AWS STS, action AssumeRole. The
region becomes a part of a host name: it is a label of one, and nothing else.
"""

import re
from collections.abc import Iterator

from chassis.errors import FieldViolation, Rule
from metadata_svc.domain.keeper import AwsAssumeRole, AwsKeeper, KeeperDraft, is_system
from metadata_svc.domain.labels import LabelRules
from metadata_svc.domain.resource import Operation
from metadata_svc.domain.resource_rules import (
    description_violations,
    metadata_violations,
    raise_if_any,
)

AWS_PROVIDER = "aws"
# In the order in which a message names them.
PROVIDERS = (AWS_PROVIDER, "azure", "gcp", "hashiCorpVault")
MAX_ROLE_ARN_LENGTH = 2_048
MAX_EXTERNAL_ID_LENGTH = 1_224
_REGION = re.compile("[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_REGION_RULE = (
    "must be 1 to 63 lower-case letters, digits or '-', with a letter or digit at both ends"
)


def require_valid_keeper(draft: KeeperDraft, operation: Operation, labels: LabelRules) -> None:
    """Raise InvalidArgumentError with every violation of the draft, if there is one."""
    raise_if_any(keeper_violations(draft, operation, labels))


def keeper_violations(
    draft: KeeperDraft, operation: Operation, labels: LabelRules
) -> Iterator[FieldViolation]:
    """Every rule that the draft breaks, in the order of its fields."""
    yield from metadata_violations(draft, operation, labels)
    if operation is Operation.CREATE and is_system(draft.name):
        message = "is reserved for the vault itself"
        yield FieldViolation("name", Rule.FORBIDDEN, message)
    yield from description_violations(draft.description)
    yield from _provider_violations(draft)


def _provider_violations(draft: KeeperDraft) -> Iterator[FieldViolation]:
    given = set(draft.providers) | ({AWS_PROVIDER} if draft.aws else set())
    known = [provider for provider in PROVIDERS if provider in given]
    if given - set(PROVIDERS):
        yield FieldViolation("spec", Rule.FORBIDDEN, "has a provider that does not exist")
    elif not known:
        yield FieldViolation("spec", Rule.REQUIRED, "one provider is required")
    elif len(known) > 1:
        message = f"only one provider may be given, not {' & '.join(known)}"
        yield FieldViolation("spec", Rule.INVALID, message)
    elif known != [AWS_PROVIDER]:
        message = "this provider is not supported; use aws"
        yield FieldViolation(f"spec.{known[0]}", Rule.FORBIDDEN, message)
    else:
        yield from _aws_violations(draft.aws or AwsKeeper())


def _aws_violations(aws: AwsKeeper) -> Iterator[FieldViolation]:
    if not aws.region:
        yield FieldViolation("spec.aws.region", Rule.REQUIRED, "region is required")
    elif _REGION.fullmatch(aws.region) is None:
        yield FieldViolation("spec.aws.region", Rule.INVALID, _REGION_RULE)
    if aws.assume_role is None:
        yield FieldViolation("spec.aws", Rule.REQUIRED, "assumeRole is required")
    else:
        yield from _role_violations(aws.assume_role)


def _role_violations(role: AwsAssumeRole) -> Iterator[FieldViolation]:
    for name, text, limit in (
        ("assumeRoleArn", role.assume_role_arn, MAX_ROLE_ARN_LENGTH),
        ("externalID", role.external_id, MAX_EXTERNAL_ID_LENGTH),
    ):
        path = f"spec.aws.assumeRole.{name}"
        if not text.strip():
            yield FieldViolation(path, Rule.REQUIRED, f"{name} is required")
        elif len(text) > limit:
            yield FieldViolation(path, Rule.TOO_LONG, f"must have at most {limit} characters")
        elif not text.isprintable():
            yield FieldViolation(path, Rule.INVALID, "must be printable characters")
