"""The reference pages list what there is, all of it."""

import pytest

from tests.architecture.reference_pages import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_says_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"
