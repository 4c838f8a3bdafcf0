"""The suite of ports.Pages, for secure values."""

from dataclasses import replace
from typing import Any

import pytest

from metadata_svc.domain.access import Scope
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.domain.selector import (
    FieldRequirement,
    LabelOperator,
    LabelRequirement,
    SelectedField,
    Selector,
)
from metadata_svc.ports.reader import PageQuery
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores, put
from tests.fakes.metadata_svc.builders import NAMESPACE, a_secure_value, selecting

EVERYTHING = Scope(everything=True)
SHELF: dict[str, dict[str, Any]] = {
    "a": {"labels": {"team": "x", "env": "dev", "port": "8080"}, "decrypters": ("sm", "k6")},
    "b": {"labels": {"team": "x", "env": "prod", "port": "90"}, "decrypters": ("k6",)},
    "b-c": {"labels": {}, "decrypters": (), "keeper": "aws"},
    "b.a": {"labels": {"team": "y", "port": "v1"}, "decrypters": ("sm",), "keeper": "aws"},
    "c": {"labels": {"team": "x"}, "decrypters": ("sm",)},
    "b1": {
        "labels": {"env": "team", "x": "x", "port": "09" + "9" * 20},
        "decrypters": ("sm-2",),
    },
}
SELECTED = {
    "team=x": "a b c",
    "team=X": "",
    "team in (x)": "a b c",
    "team in (y,x)": "a b b.a c",
    "team in (x,x)": "a b c",
    "team in (nobody,y)": "b.a",
    f"team in (y,{','.join(f'v{n}' for n in range(20))})": "b.a",
    "team in (x,y),env in (dev,team)": "a",
    "team=x,env=prod": "b",
    "team=x,team=y": "",
    "team=x,team in (x,y)": "a b c",
    "team!=x": "b-c b.a b1",
    "team notin (x,y)": "b-c b1",
    "team notin (x),env notin (team)": "b-c b.a",
    "team": "a b b.a c",
    "!team": "b-c b1",
    "team,env": "a b",
    "team,!env": "b.a c",
    "nothing": "",
    "port>89": "a b",
    "port>90": "a",
    "port<8080": "b",
    "port>89,port<8080": "b",
    "port<100,port>100": "",
    "team>1": "",
    "decrypter=sm": "a b.a c",
    "decrypter=sm,decrypter=k6": "a",
    "decrypter!=sm": "b b-c b1",
    "decrypter!=sm,decrypter!=k6": "b-c b1",
    "decrypter=sm,team=x": "a c",
    "decrypter=sm,!env": "b.a c",
    "decrypter=not/one": "",
    "keeper=aws": "b-c b.a",
    "keeper=system": "a b b1 c",
    "keeper!=system": "b-c b.a",
    "keeper!=aws,team": "a b c",
    "keeper=aws,keeper=system": "",
    "keeper=aws,decrypter=sm": "b.a",
    "name=b": "b",
    "name=b,name=c": "",
    "name=nowhere": "",
    "name!=b": "a b-c b.a b1 c",
    "name!=b,team=x": "a c",
    "name=b,name!=b": "",
    "name=b,team=y": "",
}
_FIELDS = {
    "name": SelectedField.NAME,
    "decrypter": SelectedField.DECRYPTER,
    "keeper": SelectedField.KEEPER,
}


def parsed(text: str) -> Selector:
    """A selector as people write it, label names and the three fields side by side."""
    labels: list[LabelRequirement] = []
    fields: list[FieldRequirement] = []
    for term in _terms(text):
        match _split(term):
            case (key, operator, (value,)) if key in _FIELDS:
                negated = operator is LabelOperator.NOT_IN
                fields.append(FieldRequirement(_FIELDS[key], value, negated=negated))
            case (key, operator, values):
                labels.append(LabelRequirement(key, operator, values))
    return Selector(tuple(labels), tuple(fields))


def _terms(text: str) -> list[str]:
    depth, terms = 0, [""]
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            terms.append("")
        else:
            terms[-1] += character
    return [term for term in terms if term]


def _split(term: str) -> tuple[str, LabelOperator, tuple[str, ...]]:
    for sign, operator in (
        (" notin ", LabelOperator.NOT_IN),
        (" in ", LabelOperator.IN),
        ("!=", LabelOperator.NOT_IN),
        ("=", LabelOperator.IN),
        (">", LabelOperator.GREATER_THAN),
        ("<", LabelOperator.LESS_THAN),
    ):
        if sign in term:
            key, _, values = term.partition(sign)
            return key, operator, tuple(values.strip("()").split(","))
    if term.startswith("!"):
        return term[1:], LabelOperator.DOES_NOT_EXIST, ()
    return term, LabelOperator.EXISTS, ()


def a_query(**changes: Any) -> PageQuery:
    return replace(PageQuery(namespace=NAMESPACE, scope=EVERYTHING, limit=10), **changes)


async def names_on(stores: Stores, query: PageQuery) -> tuple[list[str], bool]:
    page = await stores.secure_value_pages.page(query)
    return [item.name for item in page.items], page.more


class PagesContract:
    @pytest.fixture
    async def shelf(self, stores: Stores) -> Stores:
        values = [a_secure_value(name=name, **fields) for name, fields in SHELF.items()]
        await put(stores, *values, a_secure_value(namespace="other", name="a"))
        return stores

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            pytest.param({}, "a b b-c b.a b1 c", id="everything, in byte order"),
            pytest.param({"after_name": "b"}, "b-c b.a b1 c", id="after a name"),
            pytest.param({"after_name": "zz"}, "", id="after the last"),
            pytest.param(
                {"scope": Scope(names=frozenset({"c", "b", "nowhere"}))},
                "b c",
                id="some names only",
            ),
            pytest.param({"scope": Scope()}, "", id="no name"),
            pytest.param({"namespace": "other"}, "a", id="another namespace"),
            pytest.param({"namespace": "empty"}, "", id="an empty namespace"),
        ],
    )
    async def test_a_page_has_what_is_asked_for(
        self, shelf: Stores, query: dict[str, Any], expected: str
    ) -> None:
        assert await names_on(shelf, a_query(**query)) == (expected.split(), False)

    @pytest.mark.parametrize(("selector", "expected"), SELECTED.items(), ids=SELECTED)
    async def test_a_page_has_what_is_selected(
        self, shelf: Stores, selector: str, expected: str
    ) -> None:
        query = a_query(selector=parsed(selector))
        after = replace(query, after_name="b")
        scoped = replace(query, scope=Scope(names=frozenset({"b", "b.a", "c"})))
        names = expected.split()

        assert await names_on(shelf, query) == (names, False)
        assert await names_on(shelf, after) == ([n for n in names if n > "b"], False)
        assert await names_on(shelf, scoped) == (
            [n for n in names if n in scoped.scope.names],
            False,
        )

    @pytest.mark.parametrize(
        "query",
        [
            pytest.param({}, id="namespace"),
            pytest.param({"selector": parsed("team=x")}, id="label"),
            pytest.param({"selector": parsed("team in (x,y)")}, id="values of a label"),
            pytest.param({"selector": parsed("team")}, id="any value of a label"),
            pytest.param({"selector": parsed("decrypter=sm")}, id="decrypter"),
            pytest.param({"selector": parsed("keeper=system")}, id="keeper"),
            pytest.param({"selector": parsed("team,port>1,keeper=system")}, id="several"),
            pytest.param({"scope": Scope(names=frozenset({"a", "b", "c"}))}, id="names"),
        ],
    )
    async def test_pages_meet_without_a_gap_or_an_overlap(
        self, shelf: Stores, query: dict[str, Any]
    ) -> None:
        whole = await shelf.secure_value_pages.page(a_query(**query))
        met: list[SecureValue] = []
        more = True
        while more:
            after = met[-1].name if met else ""
            page = await shelf.secure_value_pages.page(
                a_query(limit=1, after_name=after, **query)
            )
            met += page.items
            more = page.more

        assert tuple(met) == whole.items
        assert len(met) >= 2

    @pytest.mark.parametrize("selector", ["team in (x,y),!plain", "team in (x,y),keeper=aws"])
    async def test_what_is_selected_is_found_behind_many_that_are_half_selected(
        self, stores: Stores, selector: str
    ) -> None:
        many = [
            a_secure_value(
                name=f"n{number:02}", labels={"team": "xy"[number % 2], "plain": "1"}
            )
            for number in range(70)
        ]
        wanted = [
            a_secure_value(name=name, labels={"team": "y"}, keeper="aws")
            for name in ("n65-a", "n69-a")
        ]
        await put(stores, *many, *wanted)

        one = a_query(selector=parsed(selector), limit=1)
        assert await names_on(stores, one) == (["n65-a"], True)
        assert await names_on(stores, replace(one, after_name="n65-a")) == (["n69-a"], False)

    async def test_selectors_follow_a_replaced_row(self, stores: Stores) -> None:
        before = a_secure_value(
            labels={"a": "1", "b": "2", "c": "3"}, decrypters=("x", "y"), version=1
        )
        after = a_secure_value(
            uid=before.uid,
            value_id=before.value_id,
            labels={"a": "1", "b": "9", "d": "4"},
            decrypters=("y", "z"),
        )
        await put(stores, before)

        async def work(tx: Transaction) -> None:
            await tx.secure_values.lock(before.namespace, before.name)
            await tx.secure_values.replace(after)

        await stores.transactions.run(work)
        asked = ["a=1", "b=2", "b=9", "c=3", "d=4", *(f"decrypter={d}" for d in "xyz")]
        met = [t for t in asked if (await names_on(stores, a_query(selector=parsed(t))))[0]]
        assert met == ["a=1", "b=9", "d=4", "decrypter=y", "decrypter=z"]

    async def test_selectors_forget_a_removed_row(self, stores: Stores) -> None:
        secure_value = a_secure_value()
        await put(stores, secure_value)

        async def work(tx: Transaction) -> None:
            await tx.secure_values.lock(secure_value.namespace, secure_value.name)
            await tx.secure_values.remove(secure_value)

        await stores.transactions.run(work)
        selectors = [
            selecting(secure_value.labels),
            selecting(decrypter=secure_value.decrypters[0]),
            selecting(keeper=secure_value.keeper),
            Selector(),
        ]
        pages = [await names_on(stores, a_query(selector=s)) for s in selectors]
        assert pages == [([], False)] * len(selectors)

    @pytest.mark.parametrize("selector", ["", "team=x", "keeper=system", "name=b", "!team"])
    async def test_a_page_tells_the_counter_with_items_or_without(
        self, stores: Stores, selector: str
    ) -> None:
        query = a_query(selector=parsed(selector))

        before = await stores.secure_value_pages.page(query)
        await stores.transactions.run(lambda tx: tx.history.advance(NAMESPACE))
        await stores.transactions.run(lambda tx: tx.history.advance("other"))
        await stores.transactions.run(lambda tx: tx.history.advance(NAMESPACE))
        without = await stores.secure_value_pages.page(query)
        await put(stores, a_secure_value(name="b", labels={"team": "x"}))
        after = await stores.secure_value_pages.page(query)

        found = [page.resource_version for page in (before, without, after)]
        assert found == [0, 2, 2]
        assert before.items == without.items == ()
