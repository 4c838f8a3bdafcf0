"""Names that the server completes."""

from hypothesis import given
from hypothesis import strategies as st

from metadata_svc.domain.generated_name import (
    SUFFIX_LENGTH,
    completed,
    is_completion,
    is_prefix,
)
from metadata_svc.domain.text import is_name

PREFIXES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,400}[a-z0-9])?[-.]?", fullmatch=True)
RANDOM = st.binary(min_size=SUFFIX_LENGTH, max_size=SUFFIX_LENGTH)


def test_a_name_is_the_prefix_and_ten_characters() -> None:
    assert completed("pg-", bytes([0, 25, 26, 31, 32, 255, 1, 2, 3, 4])) == "pg-az27a7bcde"


@given(PREFIXES, RANDOM)
def test_a_prefix_becomes_a_name_of_its_own(prefix: str, random: bytes) -> None:
    name = completed(prefix, random)

    assert is_prefix(prefix)
    assert is_name(name)
    assert is_completion(name, prefix)


@given(RANDOM)
def test_a_prefix_that_is_too_long_is_cut(random: bytes) -> None:
    name = completed("a" * 300, random)

    assert len(name) == 253
    assert is_completion(name, "a" * 300)


def test_a_name_of_another_prefix_is_no_completion() -> None:
    name = completed("pg-", bytes(SUFFIX_LENGTH))

    assert not is_completion(name, "pg")
    assert not is_completion(name, "mysql-")
    assert not is_completion("pg-" + "0" * SUFFIX_LENGTH, "pg-")
    assert not is_completion("pg-", "pg-")
