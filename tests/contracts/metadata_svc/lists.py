"""What lists and deletes of what is selected promise, on any stores."""

from typing import Any

import pytest

from chassis.errors import (
    ConflictError,
    ExpiredError,
    FailedPreconditionError,
    InvalidArgumentError,
    PermissionDeniedError,
)
from metadata_svc.domain.access import Scope
from metadata_svc.domain.listing import Place
from metadata_svc.domain.resource import Kind
from metadata_svc.domain.selector import Selector
from metadata_svc.ports.history import ChangeType
from metadata_svc.ports.reader import Page, PageQuery
from metadata_svc.use_cases.delete_pages import DeletedPage, DeletePageRequest, DeletePages
from metadata_svc.use_cases.lists import ListRequest, Lists
from tests.contracts.metadata_svc.application import Application, last_seen
from tests.contracts.metadata_svc.changes import a_query as past
from tests.contracts.metadata_svc.keeping import Keeping
from tests.contracts.metadata_svc.pages import parsed
from tests.contracts.metadata_svc.stores import Stores, put
from tests.fakes.metadata_svc.builders import (
    NAMESPACE,
    a_caller,
    a_caller_granted,
    a_draft,
    a_keeper_draft,
    a_secure_value,
)

NAMES = ("a", "b", "c", "d")
TEAMS = {"a": "x", "b": "y", "c": "x", "d": "x"}
DELETE = ("secret.securevalues:delete", "secret.securevalues:*")


def a_list(**changes: Any) -> ListRequest:
    return ListRequest(**{"namespace": NAMESPACE} | changes)


def a_page(**changes: Any) -> DeletePageRequest:
    return DeletePageRequest(**{"namespace": NAMESPACE} | changes)


def deletes(application: Application, **parts: Any) -> DeletePages[Any]:
    whole: dict[str, Any] = {
        "kind": Kind.SECURE_VALUE,
        "replication": application.stores.replication,
        "pages": application.stores.secure_value_pages,
        "deletes": application.edits,
    }
    return DeletePages(**whole | parts)


@pytest.fixture
async def shelf(application: Application) -> Application:
    for name in NAMES:
        await application.create(a_draft(name=name, labels={"team": TEAMS[name]}))
    return application


async def names_of(application: Application) -> list[str]:
    page = await application.lists.page(a_caller(), a_list())
    return [item.name for item in page.items]


class ListsContract:
    async def test_a_page_tells_the_counter_of_its_own_state(self, shelf: Application) -> None:
        page = await shelf.lists.page(a_caller(), a_list(page_size=2))

        assert ([s.name for s in page.items], page.more) == (["a", "b"], True)
        assert page.resource_version == 4

    async def test_a_list_is_continued_while_its_history_is_kept(
        self, shelf: Application
    ) -> None:
        await shelf.create(a_draft(name="bb"))
        page = await shelf.lists.page(a_caller(), a_list(after=Place("b"), since=4))

        assert [s.name for s in page.items] == ["bb", "c", "d"]
        assert page.resource_version == 5

    async def test_a_list_whose_history_is_trimmed_is_expired(self, shelf: Application) -> None:
        await shelf.create(a_draft(name="bb"))
        await shelf.history.trim()

        with pytest.raises(ExpiredError):
            await shelf.lists.page(a_caller(), a_list(after=Place("b"), since=4))
        now = await shelf.lists.page(a_caller(), a_list(after=Place("b"), since=5))
        assert [s.name for s in now.items] == ["bb", "c", "d"]

    async def test_a_list_of_a_time_that_never_was_is_expired(self, shelf: Application) -> None:
        with pytest.raises(ExpiredError):
            await shelf.lists.page(a_caller(), a_list(since=5))
        for exact in (3, 5):
            with pytest.raises(ExpiredError):
                await shelf.lists.page(a_caller(), a_list(exact=exact))

    async def test_a_list_of_exactly_this_state_is_answered_if_it_is_this(
        self, shelf: Application
    ) -> None:
        page = await shelf.lists.page(a_caller(), a_list(exact=4))
        assert [s.name for s in page.items] == list(NAMES)

        await shelf.delete(NAMESPACE, "a")
        with pytest.raises(ExpiredError):
            await shelf.lists.page(a_caller(), a_list(exact=4))

    async def test_an_exact_page_of_nothing_needs_the_number_too(
        self, shelf: Application
    ) -> None:
        nothing = a_list(selector=parsed("team=nobody"), exact=4)
        assert (await shelf.lists.page(a_caller(), nothing)).items == ()

        await shelf.delete(NAMESPACE, "a")
        with pytest.raises(ExpiredError):
            await shelf.lists.page(a_caller(), nothing)

    async def test_a_write_while_a_page_is_read_expires_an_exact_one(
        self, shelf: Application
    ) -> None:
        class Meanwhile:
            async def page(self, query: PageQuery) -> Page[Any]:
                await shelf.create(a_draft(name="e"))
                return await shelf.stores.secure_value_pages.page(query)

        lists = Lists(
            kind=Kind.SECURE_VALUE,
            pages=Meanwhile(),
            changes=shelf.stores.secure_value_changes,
        )
        with pytest.raises(ExpiredError):
            await lists.page(a_caller(), a_list(exact=4))

    async def test_keepers_are_listed_by_name_and_label(
        self, stores: Stores, keeping: Keeping
    ) -> None:
        for name, team in (("k2", "x"), ("k1", "x"), ("k3", "y")):
            await keeping.create(a_keeper_draft(name=name, labels={"team": team}))
        lists = Lists(
            kind=Kind.KEEPER, pages=stores.keeper_pages, changes=stores.keeper_changes
        )
        one = a_caller_granted(("secret.keepers:read", "secret.keepers:uid:k3"))

        async def names(request: ListRequest, caller: Any = None) -> tuple[list[str], bool]:
            page = await lists.page(caller or a_caller(), request)
            assert page.resource_version == 3
            return [keeper.name for keeper in page.items], page.more

        assert await names(a_list()) == (["k1", "k2", "k3"], False)
        assert await names(a_list(page_size=2)) == (["k1", "k2"], True)
        assert await names(a_list(after=Place("k2"))) == (["k3"], False)
        assert await names(a_list(selector=parsed("team=x"))) == (["k1", "k2"], False)
        assert await names(a_list(selector=parsed("team notin (x)"))) == (["k3"], False)
        assert await names(a_list(selector=parsed("!team"))) == ([], False)
        assert await names(a_list(selector=parsed("name=k2"))) == (["k2"], False)
        assert await names(a_list(selector=parsed("name!=k2"))) == (["k1", "k3"], False)
        assert await names(a_list(), one) == (["k3"], False)
        with pytest.raises(PermissionDeniedError):
            await lists.page(a_caller_granted(DELETE), a_list())
        for field in ("decrypter=sm", "keeper=system"):
            with pytest.raises(InvalidArgumentError) as error:
                await lists.page(a_caller(), a_list(selector=parsed(field)))
            assert [v.field for v in error.value.violations] == ["fieldSelector"]


class DeletePagesContract:
    async def test_everything_goes_page_by_page(self, shelf: Application) -> None:
        pages = deletes(shelf)

        first = await pages.page(a_caller(), a_page(page_size=3))
        second = await pages.page(a_caller(), a_page(page_size=3, after_name=first.after_name))

        assert (first, second) == (
            DeletedPage(("a", "b", "c"), "c"),
            DeletedPage(("d",), ""),
        )
        assert await names_of(shelf) == []
        history = await shelf.stores.secure_value_changes.after(past(after=4))
        gone = [
            (e.resource_version, e.change.type, e.change.after.name)
            for e in history.entries
            if e.change
        ]
        assert gone == [(5 + n, ChangeType.DELETED, name) for n, name in enumerate(NAMES)]

    async def test_what_is_selected_goes_and_nothing_else(self, shelf: Application) -> None:
        deleted = await deletes(shelf).page(a_caller(), a_page(selector=parsed("team=x")))

        assert deleted == DeletedPage(("a", "c", "d"), "")
        assert await names_of(shelf) == ["b"]

    async def test_nothing_selected_is_nothing_deleted(self, shelf: Application) -> None:
        deleted = await deletes(shelf).page(a_caller(), a_page(selector=parsed("team=z")))

        assert deleted == DeletedPage((), "")

    async def test_a_dry_run_tells_and_deletes_nothing(self, shelf: Application) -> None:
        deleted = await deletes(shelf).page(a_caller(), a_page(dry_run=True))

        assert deleted == DeletedPage(NAMES, "")
        assert await names_of(shelf) == list(NAMES)

    async def test_what_the_caller_may_not_delete_stays(self, shelf: Application) -> None:
        some = a_caller_granted(
            *(
                ("secret.securevalues:delete", f"secret.securevalues:uid:{name}")
                for name in ("b", "c", "nowhere")
            )
        )
        assert await deletes(shelf).page(some, a_page()) == DeletedPage(("b", "c"), "")
        assert await names_of(shelf) == ["a", "d"]

    async def test_labels_select_only_what_the_caller_may_read_too(
        self, shelf: Application
    ) -> None:
        read_one = ("secret.securevalues:read", "secret.securevalues:uid:c")
        caller = a_caller_granted(DELETE, read_one)
        blind = a_caller_granted(DELETE)

        assert await deletes(shelf).page(
            caller, a_page(selector=parsed("team=x"))
        ) == DeletedPage(("c",), "")
        for text in ("team=x", "!team", "decrypter=sm", "keeper!=system", "name=a,team"):
            with pytest.raises(PermissionDeniedError):
                await deletes(shelf).page(blind, a_page(selector=parsed(text)))
        assert await deletes(shelf).page(
            blind, a_page(selector=parsed("name=a"))
        ) == DeletedPage(("a",), "")
        assert await names_of(shelf) == ["b", "d"]

    @pytest.mark.parametrize(
        "caller",
        [
            a_caller(roles=frozenset({"fixed:secret.securevalues:reader"})),
            a_caller(namespace="other"),
            a_caller(service_identities=("k6",)),
        ],
    )
    async def test_without_a_right_to_delete_it_is_denied(
        self, shelf: Application, caller: Any
    ) -> None:
        for selector in (Selector(), parsed("team=nobody")):
            with pytest.raises(PermissionDeniedError):
                await deletes(shelf).page(caller, a_page(selector=selector))
        assert await names_of(shelf) == list(NAMES)

    async def test_preconditions_are_checked_on_each(self, shelf: Application) -> None:
        seen = last_seen(await shelf.get("b"))

        with pytest.raises(ConflictError):
            await deletes(shelf).page(a_caller(), a_page(preconditions=seen))
        only = a_page(preconditions=seen, selector=parsed("name=b"))
        assert await deletes(shelf).page(a_caller(), only) == DeletedPage(("b",), "")
        assert await names_of(shelf) == ["a", "c", "d"]

    async def test_what_leaves_the_selection_meanwhile_stays(self, shelf: Application) -> None:
        class Meanwhile:
            async def page(self, query: PageQuery) -> Page[Any]:
                page = await shelf.stores.secure_value_pages.page(query)
                await shelf.edit(a_draft(name="a", labels={"team": "y"}))
                await shelf.delete(NAMESPACE, "c")
                return page

        pages = deletes(shelf, pages=Meanwhile())
        deleted = await pages.page(a_caller(), a_page(selector=parsed("team=x")))

        assert deleted == DeletedPage(("d",), "")
        assert await names_of(shelf) == ["a", "b"]

    @pytest.mark.parametrize(
        ("request_", "field"),
        [
            ({"page_size": -1}, "limit"),
            ({"page_size": 101}, "limit"),
            ({"after_name": "\x00"}, "continue"),
            ({"namespace": "org-1"}, "metadata.namespace"),
            ({"selector": parsed("no/such/key")}, "labelSelector"),
            ({"selector": parsed("name=\x00")}, "fieldSelector"),
        ],
    )
    async def test_a_page_that_cannot_be_is_refused(
        self, shelf: Application, request_: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidArgumentError) as error:
            await deletes(shelf).page(a_caller(), a_page(**request_))
        assert [v.field for v in error.value.violations] == [field]
        assert await names_of(shelf) == list(NAMES)

    async def test_keepers_go_too_but_one_in_use_stays(
        self, stores: Stores, keeping: Keeping
    ) -> None:
        for name in ("k1", "k2", "k3"):
            await keeping.create(a_keeper_draft(name=name))
        await put(stores, a_secure_value(keeper="k2"))
        pages = DeletePages(
            kind=Kind.KEEPER,
            replication=stores.replication,
            pages=stores.keeper_pages,
            deletes=keeping.writes,
        )
        readers = a_caller(roles=frozenset({"fixed:secret.keepers:reader"}))

        with pytest.raises(PermissionDeniedError):
            await pages.page(readers, a_page())
        with pytest.raises(FailedPreconditionError):
            await pages.page(a_caller(), a_page())
        after = await pages.page(a_caller(), a_page(after_name="k2"))
        everything = PageQuery(namespace=NAMESPACE, scope=Scope(everything=True), limit=9)
        left = await stores.keeper_pages.page(everything)

        assert after == DeletedPage(("k3",), "")
        assert [keeper.name for keeper in left.items] == ["k2"]

    async def test_a_page_is_a_hundred_unless_told(self, application: Application) -> None:
        values = [a_secure_value(name=f"n{number:03}") for number in range(101)]
        await put(application.stores, *values)

        deleted = await deletes(application).page(a_caller(), a_page(dry_run=True))

        assert (len(deleted.names), deleted.after_name) == (100, "n099")
