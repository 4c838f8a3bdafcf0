"""The suite of ports.Reader."""

from dataclasses import replace
from typing import Any

import pytest

from metadata_svc.domain.access import Location, Scope
from metadata_svc.domain.secure_value import SecureValue
from metadata_svc.ports.reader import PageQuery
from metadata_svc.ports.transactions import Transaction
from tests.contracts.metadata_svc.stores import Stores, key_of, put
from tests.fakes.metadata_svc.builders import NAMESPACE, a_secure_value

EVERYTHING = Scope(everything=True)
SHELF: dict[str, dict[str, Any]] = {
    "a": {"labels": {"team": "x", "env": "dev"}, "decrypters": ("sm", "k6")},
    "b": {"labels": {"team": "x", "env": "prod"}, "decrypters": ("k6",)},
    "b-c": {"labels": {}, "decrypters": ()},
    "b.a": {"labels": {"team": "y"}, "decrypters": ("sm",)},
    "c": {"labels": {"team": "x"}, "decrypters": ("sm",)},
    "b1": {"labels": {"env": "team", "x": "x"}, "decrypters": ("sm-2",)},
}


def a_query(**changes: Any) -> PageQuery:
    return replace(PageQuery(namespace=NAMESPACE, scope=EVERYTHING, limit=10), **changes)


class ReaderContract:
    @pytest.fixture
    async def shelf(self, stores: Stores) -> Stores:
        values = [a_secure_value(name=name, **fields) for name, fields in SHELF.items()]
        await put(stores, *values, a_secure_value(namespace="other", name="a"))
        return stores

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            pytest.param({}, "a b b-c b.a b1 c", id="everything, in byte order"),
            pytest.param({"labels": {"team": "x"}}, "a b c", id="one label"),
            pytest.param(
                {"labels": {"team": "x", "env": "prod"}}, "b", id="every label must match"
            ),
            pytest.param({"labels": {"team": "X"}}, "", id="a label's value exactly"),
            pytest.param({"decrypter": "sm"}, "a b.a c", id="a decrypter exactly"),
            pytest.param({"decrypter": "sm", "labels": {"team": "x"}}, "a c", id="both"),
            pytest.param({"after_name": "b"}, "b-c b.a b1 c", id="after a name"),
            pytest.param({"after_name": "zz"}, "", id="after the last"),
            pytest.param(
                {"scope": Scope(names=frozenset({"c", "b", "nowhere"}))},
                "b c",
                id="some names only",
            ),
            pytest.param(
                {"scope": Scope(names=frozenset({"b", "c"})), "decrypter": "sm"},
                "c",
                id="some names and a decrypter",
            ),
            pytest.param(
                {"scope": Scope(names=frozenset({"b", "c"})), "labels": {"env": "prod"}},
                "b",
                id="some names and a label",
            ),
            pytest.param({"scope": Scope()}, "", id="no name"),
            pytest.param({"namespace": "other"}, "a", id="another namespace"),
            pytest.param({"namespace": "empty"}, "", id="an empty namespace"),
        ],
    )
    async def test_a_page_has_what_matches(
        self, shelf: Stores, query: dict[str, Any], expected: str
    ) -> None:
        page = await shelf.reader.page(a_query(**query))

        assert ([s.name for s in page.secure_values], page.more) == (expected.split(), False)

    @pytest.mark.parametrize(
        "selector",
        [
            pytest.param({}, id="namespace"),
            pytest.param({"labels": {"team": "x"}}, id="label"),
            pytest.param({"decrypter": "sm"}, id="decrypter"),
            pytest.param({"scope": Scope(names=frozenset({"a", "b", "c"}))}, id="names"),
        ],
    )
    async def test_pages_meet_without_a_gap_or_an_overlap(
        self, shelf: Stores, selector: dict[str, Any]
    ) -> None:
        whole = await shelf.reader.page(a_query(**selector))
        met: list[SecureValue] = []
        more = True
        while more:
            after = met[-1].name if met else ""
            page = await shelf.reader.page(a_query(limit=2, after_name=after, **selector))
            met += page.secure_values
            more = page.more

        assert tuple(met) == whole.secure_values
        assert len(met) >= 3

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
        labels = {"a": "1", "b": "2", "c": "3", "d": "4"} | {"B": "9"}
        met = {
            f"{key}={value}"
            for key, value in labels.items()
            if (await stores.reader.page(a_query(labels={key.lower(): value}))).secure_values
        }
        allowed = {
            name
            for name in ("x", "y", "z")
            if (await stores.reader.page(a_query(decrypter=name))).secure_values
        }
        assert (met, allowed) == ({"a=1", "B=9", "d=4"}, {"y", "z"})

    async def test_selectors_forget_a_removed_row(self, stores: Stores) -> None:
        secure_value = a_secure_value()
        await put(stores, secure_value)

        async def work(tx: Transaction) -> None:
            await tx.secure_values.lock(secure_value.namespace, secure_value.name)
            await tx.secure_values.remove(secure_value)

        await stores.transactions.run(work)
        pages = [
            await stores.reader.page(a_query(labels=dict(secure_value.labels))),
            await stores.reader.page(a_query(decrypter=secure_value.decrypters[0])),
            await stores.reader.page(a_query()),
        ]
        assert [page.secure_values for page in pages] == [(), (), ()]

    async def test_a_value_is_located_by_its_name(self, stores: Stores) -> None:
        one, two = (
            a_secure_value(name="one", keeper="aws", version=3),
            a_secure_value(name="two"),
        )
        await put(stores, one, two, a_secure_value(namespace="other", name="three"))

        assert await stores.reader.locate(NAMESPACE, ["one", "three", "four"]) == {
            "one": Location(
                name="one",
                keeper="aws",
                value_id=one.value_id,
                version=3,
                decrypters=one.decrypters,
            )
        }

    async def test_a_live_secure_value_is_read_as_it_is(self, stores: Stores) -> None:
        secure_value = a_secure_value()
        await put(stores, secure_value)

        assert await stores.reader.get(NAMESPACE, secure_value.name) == secure_value
        assert await stores.reader.get(NAMESPACE, "nowhere") is None
        assert await stores.reader.get("other", secure_value.name) is None

    async def test_a_name_remembers_its_last_version(self, stores: Stores) -> None:
        secure_value = a_secure_value()

        async def create(tx: Transaction) -> None:
            await tx.secure_values.next_version(NAMESPACE, secure_value.name)
            await tx.value_ids.claim(key_of(secure_value))
            await tx.secure_values.insert(secure_value)

        await stores.transactions.run(create)
        await stores.transactions.run(lambda tx: tx.secure_values.remove(secure_value))

        assert await stores.reader.last_version(NAMESPACE, secure_value.name) == 1
        assert await stores.reader.last_version(NAMESPACE, "nowhere") == 0
