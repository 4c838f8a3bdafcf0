"""The suite of ports.Pages, for secure values."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from metadata_svc.domain.access import Scope
from metadata_svc.domain.listing import Order, Place, SortKey, is_found
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
from tests.fakes.metadata_svc.builders import NAMESPACE, NOON, a_secure_value, selecting

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


# Created and changed in this order: see `named`.
CREATED_IN_ORDER = ("main", "db", "pg-main", "a.main-2", "x--main", "main.db")
TEAM_X = ("main", "pg-main")
FOUND = {
    "main": "a.main-2 main main.db pg-main x--main",
    "m": "a.main-2 main main.db pg-main x--main",
    "main-2": "a.main-2",
    "main.": "main.db",
    "db": "db main.db",
    "-main": "x--main",
    "ain": "",
    "2": "a.main-2",
    "a.main-2": "a.main-2",
    "a.main-22": "",
    "%": "",
    "_": "",
    "ä": "",
    "\U0010ffff": "",
}
ORDERED = (
    (Order(), "a.main-2 db main main.db pg-main x--main"),
    (Order(descending=True), "x--main pg-main main.db main db a.main-2"),
    (Order(SortKey.CREATED), "db main a.main-2 pg-main main.db x--main"),
    (
        Order(SortKey.CREATED, descending=True),
        "x--main main.db pg-main a.main-2 main db",
    ),
    (Order(SortKey.MODIFIED), "main.db x--main a.main-2 pg-main db main"),
    (
        Order(SortKey.MODIFIED, descending=True),
        "main db pg-main a.main-2 x--main main.db",
    ),
)


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


async def all_names(stores: Stores, query: PageQuery) -> list[str]:
    """Those of every page, from the first on."""
    names: list[str] = []
    while True:
        page = await stores.secure_value_pages.page(query)
        names += [item.name for item in page.items]
        if page.next is None:
            return names
        query = replace(query, after=page.next)


class PagesContract:
    @pytest.fixture
    async def named(self, stores: Stores) -> Stores:
        """Two at a time are created at once; they are changed last that were created first."""
        await put(
            stores,
            *(
                a_secure_value(
                    name=name,
                    created_at=NOON + timedelta(microseconds=number // 2),
                    updated_at=NOON + timedelta(seconds=10 - number // 2),
                    **(
                        {"labels": {"team": "x"}, "decrypters": ("k6",)}
                        if name in TEAM_X
                        else {"labels": {}, "decrypters": (), "keeper": "aws"}
                    ),
                )
                for number, name in enumerate(CREATED_IN_ORDER)
            ),
            a_secure_value(namespace="other", name="main"),
        )
        return stores

    @pytest.fixture
    async def shelf(self, stores: Stores) -> Stores:
        values = [a_secure_value(name=name, **fields) for name, fields in SHELF.items()]
        await put(stores, *values, a_secure_value(namespace="other", name="a"))
        return stores

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            pytest.param({}, "a b b-c b.a b1 c", id="everything, in byte order"),
            pytest.param({"after": Place("b")}, "b-c b.a b1 c", id="after a name"),
            pytest.param({"after": Place("zz")}, "", id="after the last"),
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
        after = replace(query, after=Place("b"))
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
            after = Place(met[-1].name if met else "")
            page = await shelf.secure_value_pages.page(a_query(limit=1, after=after, **query))
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
        assert await names_on(stores, replace(one, after=Place("n65-a"))) == (["n69-a"], False)

    @pytest.mark.parametrize(("search", "expected"), FOUND.items(), ids=FOUND)
    async def test_a_search_finds_names_by_the_start_of_any_of_their_words(
        self, named: Stores, search: str, expected: str
    ) -> None:
        found = await names_on(named, a_query(search=search))
        selected = await names_on(named, a_query(search=search, selector=parsed("team=x")))
        scoped = await names_on(
            named, a_query(search=search, scope=Scope(names=frozenset({"pg-main", "db"})))
        )

        names = expected.split()
        assert found == (names, False)
        assert selected == ([n for n in names if n in TEAM_X], False)
        assert scoped == ([n for n in names if n in ("pg-main", "db")], False)

    @pytest.mark.parametrize("search", ["", "main"])
    @pytest.mark.parametrize(("order", "expected"), ORDERED, ids=map(str, ORDERED))
    async def test_a_list_is_in_the_order_asked_for_page_after_page(
        self, named: Stores, order: Order, expected: str, search: str
    ) -> None:
        names = [name for name in expected.split() if is_found(name, search)]
        whole = a_query(order=order, search=search)

        assert await names_on(named, whole) == (names, False)
        for limit in (1, 2, 3):
            assert await all_names(named, replace(whole, limit=limit)) == names

    async def test_a_list_is_ordered_within_what_is_selected(self, named: Stores) -> None:
        newest = Order(SortKey.CREATED, descending=True)
        for selector in ("team=x", "team", "team in (x,y)", "decrypter=k6", "keeper=system"):
            query = a_query(order=newest, selector=parsed(selector), limit=1)
            assert await all_names(named, query) == ["pg-main", "main"], selector

    async def test_a_search_forgets_a_removed_row(self, named: Stores) -> None:
        gone = a_secure_value(name="main.db")

        async def work(tx: Transaction) -> None:
            await tx.secure_values.lock(gone.namespace, gone.name)
            await tx.secure_values.remove(gone)

        await named.transactions.run(work)
        assert await names_on(named, a_query(search="db")) == (["db"], False)
        await put(named, replace(gone, value_id=uuid4()))
        assert await names_on(named, a_query(search="db")) == (["db", "main.db"], False)

    async def test_an_ordered_page_tells_the_counter_with_items_or_without(
        self, stores: Stores
    ) -> None:
        await stores.transactions.run(lambda tx: tx.history.advance(NAMESPACE))
        for order in Order(), Order(SortKey.CREATED), Order(SortKey.MODIFIED, descending=True):
            page = await stores.secure_value_pages.page(a_query(order=order, search="x"))
            assert (page.items, page.next, page.resource_version) == ((), None, 1)

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
