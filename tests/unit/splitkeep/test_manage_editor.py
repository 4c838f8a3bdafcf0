"""What the editor shows of a secret, and what it is taken for afterwards."""

from typing import Any

import click
import pytest
import yaml

from splitkeep.manage.editor import differences, edited_document
from splitkeep.manage.failures import CommandError

VALUE = "correct horse battery staple"
BEFORE: dict[str, Any] = {
    "kind": "SecureValue",
    "metadata": {"name": "a", "uid": "u", "resourceVersion": "7", "labels": {"team": "x"}},
    "spec": {"description": "d", "decrypters": ["k6"]},
    "status": {"version": 1},
}


@pytest.fixture
def leave(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The editor is left with this text; answers what it was opened with."""
    shown: list[str] = []

    def left(text: str | None) -> list[str]:
        def edit(opened: str, **_options: Any) -> str | None:
            shown.append(opened)
            return text

        monkeypatch.setattr(click, "edit", edit)
        return shown

    return left


def test_what_was_edited_keeps_what_a_conflict_is_noticed_by(leave: Any) -> None:
    leave("metadata: {name: a, labels: {team: y}}\nspec: {description: e, decrypters: []}")

    after = edited_document(BEFORE)

    assert after is not None
    assert after["metadata"] == BEFORE["metadata"] | {"labels": {"team": "y"}}
    assert after["spec"] == {"description": "e", "decrypters": []}
    assert "status" not in after


def test_a_value_is_not_shown_though_one_should_be_there(leave: Any) -> None:
    shown = leave(None)

    spec = BEFORE["spec"] | {"value": VALUE}
    assert edited_document(BEFORE | {"spec": spec}) is None
    assert VALUE not in shown[0]
    assert "value" not in yaml.safe_load(shown[0])["spec"]


@pytest.mark.parametrize(
    "text",
    [
        f"metadata: {{name: a}}\nspec: {{description: d, value: {VALUE}}}",
        f"metadata: {{name: a}}\nspec: {{value: {VALUE}: [",
        f"metadata: {{name: a}}\nspec: {{value: !!binary x, description: {VALUE}}}",
        f"metadata: {{name: a}}\nspec: &it {{description: {VALUE}, again: *it}}",
        f"metadata: {{name: b}}\nspec: {{description: {VALUE}}}",
        VALUE,
        "",
    ],
    ids=["value", "no YAML", "bytes", "a circle", "another name", "text", "nothing"],
)
def test_what_cannot_be_written_is_refused_and_not_repeated(leave: Any, text: str) -> None:
    leave(text)

    with pytest.raises(CommandError) as refused:
        edited_document(BEFORE)

    assert "is written" in str(refused.value)
    assert VALUE not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_mistake_in_yaml_is_told_by_its_place(leave: Any) -> None:
    leave("metadata: {name: a}\nspec: {x: y: [")

    with pytest.raises(CommandError, match=r"not YAML \(line 2, column 12\)"):
        edited_document(BEFORE)


def test_what_looks_like_a_date_is_text(leave: Any) -> None:
    leave("metadata: {name: a}\nspec: {description: 2026-12-01}")

    after = edited_document(BEFORE)

    assert after is not None
    assert after["spec"]["description"] == "2026-12-01"


def test_differences_are_those_of_what_is_shown() -> None:
    metadata = BEFORE["metadata"] | {"resourceVersion": "8", "labels": {"team": "x", "z": "1"}}
    spec = BEFORE["spec"] | {"description": "-- e"}
    after = BEFORE | {"metadata": metadata, "spec": spec, "status": {"version": 2}}

    assert list(differences(BEFORE, after)) == [
        "+    z: '1'",
        "-  description: d",
        "+  description: -- e",
    ]
    assert list(differences(BEFORE, BEFORE)) == []
