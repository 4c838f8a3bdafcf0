"""What an edit of a part promises, on any stores."""

from dataclasses import replace
from typing import Any

import pytest

from chassis.errors import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    Rule,
)
from metadata_svc.domain.field_owners import MAX_OWNED_BYTES, FieldManager
from metadata_svc.domain.partial_edit import (
    MAX_BLIND_ADDITIONS,
    PartialEdit,
)
from metadata_svc.domain.resource import Preconditions
from tests.contracts.metadata_svc.application import Application, last_seen
from tests.fakes.metadata_svc.builders import (
    NAMESPACE,
    a_caller_granted,
    a_draft,
)

DRAFT = a_draft(decrypters=("a", "b"), labels={"x": "1", "y": "2"})
BLIND = a_caller_granted(("secret.securevalues:write", "secret.securevalues:*"))
BLIND_KEEPER = a_caller_granted(("secret.keepers:write", "secret.keepers:*"))


def an_edit(**parts: Any) -> PartialEdit:
    return PartialEdit(namespace=NAMESPACE, name=DRAFT.name, **parts)


LABELS = "metadata.labels"


class PartialEditsContract:
    async def test_what_is_named_changes_and_the_rest_stays(
        self, application: Application
    ) -> None:
        before = await application.create(replace(DRAFT, annotations={"n": "1"}))

        after = await application.edit_part(
            an_edit(
                description="changed",
                put_labels={"x": "3", "z": "4"},
                remove_labels=frozenset({"y", "absent"}),
                add_decrypters=("c", "a"),
                remove_decrypters=frozenset({"b", "absent"}),
                manager=FieldManager(name="m"),
            )
        )

        assert after.description == "changed"
        assert after.labels == {"x": "3", "z": "4"}
        assert after.decrypters == ("a", "c")
        assert (after.annotations, after.version, after.uid) == ({"n": "1"}, 1, before.uid)
        assert (after.generation, after.resource_version) == (2, 2)
        (owner,) = [owner for owner in after.field_owners if owner.manager == "m"]
        assert owner.fields == (
            "metadata.labels[x]",
            "metadata.labels[z]",
            "spec.decrypters",
            "spec.description",
        )
        assert await application.get(DRAFT.name) == after

    async def test_a_whole_list_of_decrypters_may_be_given(
        self, application: Application
    ) -> None:
        await application.create(DRAFT)

        assert (await application.edit_part(an_edit(decrypters=("c",)))).decrypters == ("c",)
        assert (await application.edit_part(an_edit(decrypters=()))).decrypters == ()

    async def test_an_edit_that_changes_nothing_writes_nothing_for_who_may_read(
        self,
        application: Application,
    ) -> None:
        before = await application.create(DRAFT)

        same = an_edit(
            add_decrypters=("a",), put_labels={"x": "1"}, description=DRAFT.description
        )

        assert await application.edit_part(same) == before
        assert await application.edit_part(an_edit()) == before

    @pytest.mark.parametrize("dry_run", [True, False])
    async def test_it_heeds_preconditions_and_needs_an_object(
        self, application: Application, *, dry_run: bool
    ) -> None:
        with pytest.raises(NotFoundError):
            await application.edit_part(an_edit(), dry_run=dry_run)
        before = await application.create(DRAFT)
        stale = Preconditions(resource_version="7")
        for caller in (None, BLIND):
            with pytest.raises(ConflictError):
                await application.edit_part(
                    an_edit(description="x"),
                    preconditions=stale,
                    dry_run=dry_run,
                    caller=caller,
                )
        await application.edit_part(an_edit(description="x"), preconditions=last_seen(before))

    async def test_a_dry_edit_writes_nothing(self, application: Application) -> None:
        before = await application.create(DRAFT)

        after = await application.edit_part(an_edit(description="x"), dry_run=True)

        assert after.description == "x"
        assert await application.get(DRAFT.name) == before

    @pytest.mark.parametrize(
        ("parts", "field", "rule"),
        [
            ({"description": ""}, "spec.description", Rule.REQUIRED),
            ({"put_labels": {"-": "1"}}, LABELS, Rule.INVALID),
            (
                {"put_labels": {str(n): "1" for n in range(11)}},
                "metadata.labels",
                Rule.TOO_MANY,
            ),
            (
                {"put_labels": {"a": "1"}, "remove_labels": {"a"}},
                "metadata.labels",
                Rule.INVALID,
            ),
            ({"remove_labels": {str(n) for n in range(65)}}, LABELS, Rule.TOO_MANY),
            ({"add_decrypters": ("",)}, "spec.decrypters.[0]", Rule.INVALID),
            ({"add_decrypters": ("a", "a")}, "spec.decrypters.[1]", Rule.INVALID),
            ({"decrypters": ("*",)}, "spec.decrypters.[0]", Rule.INVALID),
            ({"decrypters": (), "add_decrypters": ("a",)}, "spec.decrypters", Rule.INVALID),
            (
                {"add_decrypters": ("a",), "remove_decrypters": {"a"}},
                "spec.decrypters",
                Rule.INVALID,
            ),
            ({"manager": FieldManager(name="\n")}, "fieldManager", Rule.INVALID),
        ],
    )
    async def test_a_rule_that_the_edit_breaks_is_told(
        self, application: Application, parts: dict[str, Any], field: str, rule: Rule
    ) -> None:
        await application.create(DRAFT)

        with pytest.raises(InvalidArgumentError) as error:
            await application.edit_part(an_edit(**parts))

        assert (field, rule) in {(v.field, v.rule) for v in error.value.violations}

    async def test_an_object_holds_only_so_many(self, application: Application) -> None:
        full = {str(n): "1" for n in range(10)}
        await application.create(replace(DRAFT, labels=full))

        with pytest.raises(InvalidArgumentError):
            await application.edit_part(an_edit(put_labels={"more": "1"}))
        after = await application.edit_part(an_edit(put_labels={"0": "2"}))
        assert after.labels == full | {"0": "2"}
        with pytest.raises(InvalidArgumentError):
            await application.edit_part(an_edit(put_labels={"0": "1"}), caller=BLIND)
        replaced = an_edit(put_labels={"more": "1"}, remove_labels=frozenset({"0"}))
        with pytest.raises(InvalidArgumentError):
            await application.edit_part(replaced, caller=BLIND)
        assert "more" in (await application.edit_part(replaced)).labels
        await application.edit_part(an_edit(description="x"), caller=BLIND)

    @pytest.mark.parametrize("part", ["put_labels", "add_decrypters"])
    async def test_a_blind_edit_adds_only_a_few(
        self, application: Application, part: str
    ) -> None:
        await application.create(DRAFT)
        many = [f"n{n}" for n in range(MAX_BLIND_ADDITIONS + 1)]
        items: Any = dict.fromkeys(many, "1") if part == "put_labels" else tuple(many)

        with pytest.raises(InvalidArgumentError, match="without the right to read"):
            await application.edit_part(an_edit(**{part: items}), caller=BLIND)
        await application.edit_part(an_edit(**{part: items}))

    async def test_a_blind_writer_for_whom_there_is_no_room_is_not_recorded(
        self,
        application: Application,
    ) -> None:
        keys = [f"k{n:04}{'x' * 58}" for n in range(1_300)]
        owned = frozenset(f"metadata.annotations[{key}]" for key in keys)
        annotations = dict.fromkeys(keys, "1")
        one = FieldManager(name="one", applied=owned)
        await application.create(replace(DRAFT, annotations=annotations, manager=one))
        assert sum(map(len, owned)) * 2 > MAX_OWNED_BYTES > sum(map(len, owned))
        both = replace(
            DRAFT,
            annotations=dict.fromkeys(keys, "1"),
            manager=FieldManager(name="two", applied=owned),
        )

        with pytest.raises(InvalidArgumentError):
            await application.edit(both)
        after = await application.edit(both, caller=BLIND)

        assert [owner.manager for owner in after.field_owners] == ["one"]

    async def test_who_may_not_write_edits_nothing(self, application: Application) -> None:
        reader = a_caller_granted(("secret.securevalues:read", "secret.securevalues:*"))

        with pytest.raises(PermissionDeniedError):
            await application.edit_part(an_edit(), caller=reader)
