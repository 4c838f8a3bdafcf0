"""What kubectl shows of both kinds, with nothing but a kubeconfig."""

import re
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.clients.kinds import API_VERSION, GROUP, KEEPER, SECURE_VALUE, Kind, a_manifest
from tests.e2e.clients.kubectl import Kubectl

LABELS = ({"env": "prod", "tier": "db"}, {"env": "dev"}, {"env": "test", "tier": "db"})
NAMES = ("read-a", "read-b", "read-c")
COLUMNS = {
    "SecureValue": ["NAME", "DESCRIPTION", "KEEPER", "REF", "DECRYPTERS", "AGE"],
    "Keeper": ["NAME", "DESCRIPTION", "ACTIVE", "AGE"],
}
WIDE_COLUMNS = {"SecureValue": ["VERSION"], "Keeper": ["REGION"]}


@pytest.fixture(scope="module", autouse=True)
def three_of_each(kubectl: Kubectl) -> Iterator[None]:
    """Three objects of each kind, with labels, as one file creates them."""
    manifests = [
        a_manifest(kind, name, labels=labels)
        for kind in (SECURE_VALUE, KEEPER)
        for name, labels in zip(NAMES, LABELS, strict=True)
    ]
    kubectl("create", "-f", "-", given=yaml.safe_dump_all(manifests))
    yield
    for kind in (SECURE_VALUE, KEEPER):
        kubectl("delete", kind.plural, *NAMES)


def names_in(output: str) -> list[str]:
    """The names of an answer in the form of `-o name`."""
    return [line.partition("/")[2] for line in output.splitlines()]


def test_api_resources_lists_both_kinds_with_what_can_be_done(kubectl: Kubectl) -> None:
    output = kubectl(
        "api-resources", f"--api-group={GROUP}", "-o", "wide", "--no-headers", "--cached=false"
    )

    rows = {line.split()[0]: line.split() for line in output.splitlines()}
    assert rows.keys() == {"securevalues", "keepers"}
    for kind in (SECURE_VALUE, KEEPER):
        _, short, api_version, namespaced, name, verbs, *_ = rows[kind.plural]
        assert short == {"SecureValue": "sv", "Keeper": "kp"}[kind.name]
        assert (api_version, namespaced, name) == (API_VERSION, "true", kind.name)
        assert set(verbs.split(",")) == {
            *("create", "delete", "deletecollection", "get"),
            *("list", "patch", "update", "watch"),
        }


def test_both_versions_are_served_and_the_older_is_preferred(kubectl: Kubectl) -> None:
    served = kubectl("api-versions").split()

    assert {f"{GROUP}/v1", API_VERSION} <= set(served)
    assert kubectl.json("get", f"securevalues.v1.{GROUP}", "read-a")["apiVersion"] == (
        f"{GROUP}/v1"
    )
    assert kubectl.json("get", "securevalues", "read-a")["apiVersion"] == API_VERSION


def test_the_servers_version_is_told(kubectl: Kubectl) -> None:
    version = kubectl.json("version")["serverVersion"]

    assert re.match(r"v\d+\.\d+\.\d+", version["gitVersion"])


def columns_of(line: str) -> list[str]:
    """The words of a line of a table, whose columns are two or more spaces apart."""
    return re.split(r"\s{2,}", line.strip())


def test_a_table_has_the_columns_of_the_kind(kubectl: Kubectl, kind: Kind) -> None:
    header, *rows = kubectl("get", kind.plural).splitlines()

    assert columns_of(header) == COLUMNS[kind.name]
    assert [row.split()[0] for row in rows] == list(NAMES)
    assert all("made by a client" in row for row in rows)
    assert all(re.search(r"\d+[smhd]", row.split()[-1]) for row in rows)


def test_a_wide_table_has_more_columns(kubectl: Kubectl, kind: Kind) -> None:
    header, row = kubectl("get", kind.plural, "read-a", "-o", "wide").splitlines()

    assert columns_of(header) == COLUMNS[kind.name] + WIDE_COLUMNS[kind.name]
    assert columns_of(row)[0] == "read-a"
    assert columns_of(row)[-1] == {"SecureValue": "1", "Keeper": "eu-central-1"}[kind.name]


def test_labels_are_shown_as_columns(kubectl: Kubectl, kind: Kind) -> None:
    header, row = kubectl("get", kind.plural, "read-a", "-L", "env").splitlines()

    assert (header.split()[-1], row.split()[-1]) == ("ENV", "prod")


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_an_object_is_shown_whole_but_for_its_value(
    kubectl: Kubectl, kind: Kind, form: str
) -> None:
    found = yaml.safe_load(kubectl("get", kind.plural, "read-a", "-o", form))

    assert (found["apiVersion"], found["kind"]) == (API_VERSION, kind.name)
    assert found["metadata"]["labels"] == LABELS[0]
    assert found["spec"] == kind.spec


def test_a_list_is_shown_by_name(kubectl: Kubectl, kind: Kind) -> None:
    assert kubectl("get", kind.plural, "-o", "name").splitlines() == [
        kind.full(name) for name in NAMES
    ]


def test_both_kinds_are_shown_by_one_command(kubectl: Kubectl) -> None:
    shown = kubectl("get", "securevalue/read-a", "keeper/read-a", "-o", "name").splitlines()

    assert shown == [SECURE_VALUE.full("read-a"), KEEPER.full("read-a")]


def test_a_path_into_an_object_is_shown(kubectl: Kubectl) -> None:
    path = "jsonpath={.status.keeper} {.status.version}"

    assert kubectl("get", "securevalue", "read-a", "-o", path) == "system 1"


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("env=prod", ["read-a"]),
        ("env!=prod", ["read-b", "read-c"]),
        ("env in (prod, dev)", ["read-a", "read-b"]),
        ("env notin (prod),tier", ["read-c"]),
        ("!tier", ["read-b"]),
    ],
)
def test_labels_select(kubectl: Kubectl, kind: Kind, selector: str, found: list[str]) -> None:
    assert names_in(kubectl("get", kind.plural, "-o", "name", "-l", selector)) == found


def test_fields_select(kubectl: Kubectl, kind: Kind) -> None:
    listed = kubectl(
        "get", kind.plural, "-o", "name", "--field-selector", "metadata.name!=read-b"
    )

    assert names_in(listed) == ["read-a", "read-c"]


def test_a_decrypter_and_a_keeper_select(kubectl: Kubectl) -> None:
    ask = ("get", "securevalues", "-o", "name", "--field-selector")

    assert names_in(kubectl(*ask, "spec.decrypter=k6-cloud,status.keeper=system")) == [*NAMES]
    assert names_in(kubectl(*ask, "spec.decrypter=nobody")) == []


def test_an_unknown_field_does_not_select(kubectl: Kubectl, kind: Kind) -> None:
    refusal = kubectl.fails("get", kind.plural, "--field-selector", "spec.colour=red")

    assert "spec.colour" in refusal


def test_a_long_list_comes_in_chunks(kubectl: Kubectl, kind: Kind) -> None:
    listed, log = kubectl.both("get", kind.plural, "-o", "name", "--chunk-size=2", "-v=6")

    assert names_in(listed) == [*NAMES]
    asked = [line for line in log.splitlines() if "limit=2" in line]
    assert (len(asked), "continue=" in asked[-1]) == (2, True)


def test_an_object_is_described(kubectl: Kubectl, kind: Kind) -> None:
    described = kubectl("describe", kind.singular, "read-a")

    assert re.search(r"Name:\s+read-a\n", described)
    assert re.search(r"Description:\s+made by a client\n", described)


def test_a_field_is_explained(kubectl: Kubectl) -> None:
    explained = kubectl("explain", "securevalue.spec.decrypters")

    assert "FIELD: decrypters <[]string>" in explained
    assert "DESCRIPTION:" in explained
    assert "decrypt" in explained.partition("DESCRIPTION:")[2]


def test_a_kind_is_explained_in_full(kubectl: Kubectl, kind: Kind) -> None:
    explained = kubectl("explain", kind.singular, "--recursive")

    assert f"KIND:       {kind.name}" in explained
    assert re.search(r"^\s+description\s+<string> -required-", explained, re.MULTILINE)


def test_what_is_not_there_is_not_found(kubectl: Kubectl, kind: Kind) -> None:
    refusal = kubectl.fails("get", kind.singular, "absent")

    assert refusal.startswith(f"Error from server (NotFound): {kind.singular}")
    assert '"absent" not found' in refusal


def test_all_namespaces_at_once_are_refused(kubectl: Kubectl, kind: Kind) -> None:
    assert "(Forbidden)" in kubectl.fails("get", kind.plural, "--all-namespaces")


def test_a_watch_shows_each_change_once(kubectl: Kubectl, kind: Kind) -> None:
    selected = ("-l", "watched", "--output-watch-events", "--no-headers")
    kubectl("create", "-f", "-", given=a_manifest(kind, "watched-1", labels={"watched": "1"}))

    with kubectl.running("get", kind.plural, "-w", *selected) as watch:
        assert watch.line().split()[:2] == ["ADDED", "watched-1"]
        made = a_manifest(kind, "watched-2", labels={"watched": "1"})
        kubectl("create", "-f", "-", given=made)
        assert watch.line().split()[:2] == ["ADDED", "watched-2"]
        kubectl("label", kind.singular, "watched-1", "more=1")
        assert watch.line().split()[:2] == ["MODIFIED", "watched-1"]
        kubectl("label", kind.singular, "watched-1", "watched-")
        assert watch.line().split()[:2] == ["DELETED", "watched-1"]
        kubectl("delete", kind.singular, "watched-1", "watched-2")
        assert watch.line().split()[:2] == ["DELETED", "watched-2"]
