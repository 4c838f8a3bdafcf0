"""A value that stands in a text beside it is refused, and goes no further."""

from typing import Any

import pytest

from chassis.caller import Principal
from chassis.errors import InvalidArgumentError, PermissionDeniedError, Rule
from chassis.sensitive import Sensitive
from protos.splitkeep.metadata.v1 import field_owner_pb2
from tests.fakes.vault_svc.metadata import DENIED_TOKEN, InMemoryMetadata
from tests.fakes.vault_svc.vault import Vault, a_write
from vault_svc.domain.draft import Operation, OwnerReference
from vault_svc.domain.fingerprint import IdempotencyKey
from vault_svc.ports.metadata import Preparation, Write

VALUE = "correct-horse-1"
ESCAPED = VALUE.replace("-", "\\u002d")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
FORBIDDEN = Rule.FORBIDDEN
MANAGER = field_owner_pb2.FieldManager(name=f"by {VALUE}").SerializeToString()
APPLYING = field_owner_pb2.FieldManager(
    name="m", applied=field_owner_pb2.AppliedFields(fields=[f"metadata.labels[{VALUE}]"])
).SerializeToString()
OWNER = OwnerReference(api_version="a/v1", kind="K", name=VALUE)
REVEALING: dict[str, tuple[dict[str, Any], str]] = {
    "the name": ({"name": f"db-{VALUE}"}, "metadata.name"),
    "the name's prefix": ({"name": "", "generate_name": f"{VALUE}-"}, "metadata.generateName"),
    "a label's key": ({"labels": {VALUE: "x"}}, "metadata.labels"),
    "a label's value": ({"labels": {"x": f"a{VALUE}z"}}, "metadata.labels"),
    "an annotation's key": ({"annotations": {f"x/{VALUE}": ""}}, "metadata.annotations"),
    "an annotation's value": ({"annotations": {"x": VALUE}}, "metadata.annotations"),
    "what kubectl applied last": (
        {"annotations": {LAST_APPLIED: f'{{"spec":{{"description":"{VALUE}"}}}}'}},
        "metadata.annotations",
    ),
    "an escape in what kubectl applied last": (
        {"annotations": {LAST_APPLIED: f'{{"spec":{{"description":"{ESCAPED}"}}}}'}},
        "metadata.annotations",
    ),
    "an escape in what another tool applied": (
        {"annotations": {"kapp.k14s.io/original": f'{{"spec":{{"value":"{ESCAPED}"}}}}'}},
        "metadata.annotations",
    ),
    "an owner": ({"owner_references": (OWNER,)}, "metadata.ownerReferences"),
    "the description": ({"description": f"it is {VALUE}"}, "spec.description"),
    "a decrypter": ({"decrypters": ("k6", VALUE)}, "spec.decrypters"),
    "the field manager": ({"manager": MANAGER}, "fieldManager"),
    "what is applied": ({"manager": APPLYING}, "fieldManager"),
    "an applied label's key": (
        {"labels": {VALUE: "x"}, "manager": APPLYING},
        "metadata.labels",
    ),
}


class AttentiveMetadata(InMemoryMetadata):
    """Remembers everything that it is sent."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault.clock)
        self.heard: list[Write] = []

    async def prepare(self, write: Write) -> Any:
        self.heard.append(write)
        return await super().prepare(write)


def listening() -> tuple[Vault, AttentiveMetadata]:
    metadata = AttentiveMetadata(Vault())
    return Vault(clock=metadata.clock, metadata=metadata), metadata


def some_write(changes: dict[str, Any], **more: Any) -> Write:
    """With a name or a prefix as `a_write` has it, unless changed."""
    write = a_write(changes.get("name", "a"), **more)
    draft = {name: getattr(write.draft, name) for name in write.draft.__slots__} | changes
    return Write(
        operation=write.operation,
        draft=type(write.draft)(**draft),
        preconditions=write.preconditions,
        dry_run=write.dry_run,
        token=write.token,
    )


async def refused(vault: Vault, write: Write, value: bytes) -> list[tuple[str, Rule]]:
    with pytest.raises(InvalidArgumentError) as error:
        await vault.writes.write(write, Sensitive(value))
    assert VALUE not in str(error.value)
    return [(violation.field, violation.rule) for violation in error.value.violations]


@pytest.mark.parametrize("dry_run", [False, True], ids=["for real", "dry run"])
@pytest.mark.parametrize(("changes", "path"), REVEALING.values(), ids=REVEALING)
async def test_a_create_whose_text_contains_the_value_is_refused_by_that_field(
    changes: dict[str, Any], path: str, *, dry_run: bool
) -> None:
    vault, metadata = listening()
    write = some_write(changes, dry_run=dry_run)

    found = await refused(vault, write, VALUE.encode())

    assert found == [(path, FORBIDDEN)]
    assert VALUE not in repr([one.draft for one in metadata.heard])
    assert (vault.rows.keys, vault.rows.values, metadata.live) == ({}, {}, {})


@pytest.mark.parametrize("what", ["an annotation's value", "the description", "a decrypter"])
async def test_an_update_is_refused_alike(what: str) -> None:
    vault, metadata = listening()
    await vault.create("a", b"another value")
    changes, path = REVEALING[what]

    found = await refused(
        vault, some_write(changes, operation=Operation.UPDATE), VALUE.encode()
    )

    assert found == [(path, FORBIDDEN)]
    assert VALUE not in repr([one.draft for one in metadata.heard])
    assert metadata.last_versions["team-a", "a"] == 1


async def test_an_updates_value_may_not_be_the_name_that_metadata_has_already() -> None:
    vault, _ = listening()
    await vault.create(VALUE, b"another value")

    found = await refused(
        vault, some_write({"name": VALUE}, operation=Operation.UPDATE), VALUE.encode()
    )

    assert found == [("metadata.name", FORBIDDEN)]


async def test_every_such_field_is_told_at_once() -> None:
    changes = {"description": VALUE, "labels": {"x": VALUE}, "annotations": {"x": VALUE}}

    found = await refused(Vault(), some_write(changes), VALUE.encode())

    assert found == [
        ("metadata.labels", FORBIDDEN),
        ("metadata.annotations", FORBIDDEN),
        ("spec.description", FORBIDDEN),
    ]


async def test_permission_is_decided_first() -> None:
    write = some_write({"description": VALUE}, token=DENIED_TOKEN)

    with pytest.raises(PermissionDeniedError):
        await Vault().writes.write(write, Sensitive(VALUE.encode()))


async def test_the_idempotency_key_is_looked_at_too() -> None:
    vault, metadata = listening()
    asked_as = IdempotencyKey(Principal("https://a.example", "user:u1"), f"create-{VALUE}")

    with pytest.raises(InvalidArgumentError) as error:
        await vault.writes.write(a_write("a"), Sensitive(VALUE.encode()), asked_as)

    assert [(v.field, v.rule) for v in error.value.violations] == [
        ("Idempotency-Key", FORBIDDEN)
    ]
    assert VALUE not in repr([one.idempotency for one in metadata.heard])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 11, "x" * 11),  # too short to be more than chance
        (VALUE, VALUE[:-1]),
        (VALUE, VALUE.upper()),
        (VALUE, VALUE[::-1]),
    ],
)
async def test_other_texts_are_kept(value: str, text: str) -> None:
    vault = Vault()

    await vault.writes.write(a_write("a", description=text), Sensitive(value.encode()))

    assert await vault.decrypt("a") == {"a": value.encode()}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 12, "x" * 12),
        ("пароль", "это пароль!"),  # 12 bytes
        (f"{VALUE}\n", VALUE),  # as a file or an editor ends a line
        (f"\n  {VALUE}\r\n", f"<{VALUE}>"),
        ("  short  \n  ", "a  short  \n  z"),  # 12 bytes with its blanks
        ("two\nlines of it", "two\nlines of it"),
    ],
)
async def test_a_value_of_12_bytes_is_found_wherever_it_stands(value: str, text: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        await Vault().writes.write(a_write("a", description=text), Sensitive(value.encode()))

    assert [violation.field for violation in error.value.violations] == ["spec.description"]


async def test_a_value_that_is_no_text_is_looked_for_byte_by_byte() -> None:
    value = b"\xff\xfe" + VALUE.encode()

    await Vault().writes.write(a_write("a", description=VALUE), Sensitive(value))


async def test_what_metadata_judges_in_its_place_is_judged_as_before() -> None:
    """A name with the value in it becomes a generated one: the right to it is still needed."""
    vault, metadata = listening()
    await refused(vault, some_write({"name": VALUE}), VALUE.encode())

    (asked,) = metadata.heard
    assert (asked.draft.name, asked.draft.generate_name) == ("", "withheld")
    assert asked.dry_run
    assert isinstance(await metadata.prepare(asked), Preparation)
