"""Certificates that verify, and that are made again exactly when they must."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from splitkeep.certificates import (
    AUTHORITY_LIFETIME,
    LEAF_LIFETIME,
    RENEW_LEAF_BEFORE,
    Authority,
    KeyPair,
    ensure_authority,
    ensure_leaf,
)
from splitkeep.files import write_file

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NAMES = ("localhost", "127.0.0.1", "vault")


def files(directory: Path, name: str) -> KeyPair:
    return KeyPair(directory / f"{name}.pem", directory / f"{name}.key")


def authority(directory: Path, now: datetime = NOW, name: str = "ca") -> Authority:
    return ensure_authority(files(directory, name), name="Test", now=now)


def leaf(directory: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / "leaf.pem").read_bytes())


def verify(
    certificate: x509.Certificate, ca: Authority, host: str, now: datetime = NOW
) -> None:
    builder = PolicyBuilder().store(Store([ca.certificate])).time(now)
    builder.build_server_verifier(x509.DNSName(host)).verify(certificate, [])


@pytest.mark.parametrize("host", ["localhost", "vault"])
def test_a_leaf_is_valid_for_its_names(tmp_path: Path, host: str) -> None:
    ca = authority(tmp_path)
    ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=NOW)

    verify(leaf(tmp_path), ca, host)


def test_a_leaf_is_not_valid_for_another_name(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=NOW)

    with pytest.raises(VerificationError):
        verify(leaf(tmp_path), ca, "metadata")


def test_a_leaf_is_not_valid_under_another_authority(tmp_path: Path) -> None:
    ensure_leaf(files(tmp_path, "leaf"), authority(tmp_path), names=NAMES, now=NOW)

    with pytest.raises(VerificationError):
        verify(leaf(tmp_path), authority(tmp_path, name="other"), "localhost")


def test_a_leaf_lasts_longer_than_a_year(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=NOW)

    verify(leaf(tmp_path), ca, "localhost", NOW + timedelta(days=366))


def test_a_good_certificate_is_kept(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    assert ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=NOW)

    again = authority(tmp_path)

    assert again.certificate == ca.certificate
    assert not ensure_leaf(files(tmp_path, "leaf"), again, names=NAMES, now=NOW)


def test_a_leaf_that_nears_its_end_is_made_again(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=NOW)
    late = NOW + LEAF_LIFETIME - RENEW_LEAF_BEFORE + timedelta(days=1)

    assert ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=late)


def test_a_leaf_without_a_wanted_name_is_made_again(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    ensure_leaf(files(tmp_path, "leaf"), ca, names=("localhost",), now=NOW)

    assert ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=NOW)
    verify(leaf(tmp_path), ca, "vault")


def test_a_leaf_with_a_name_that_is_no_longer_wanted_is_made_again(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=NOW)

    assert ensure_leaf(files(tmp_path, "leaf"), ca, names=("localhost",), now=NOW)


def test_a_renewed_leaf_keeps_its_key_so_that_one_file_is_replaced(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=NOW)
    key = (tmp_path / "leaf.key").read_bytes()

    assert ensure_leaf(files(tmp_path, "leaf"), ca, names=("localhost",), now=NOW)

    assert (tmp_path / "leaf.key").read_bytes() == key


@pytest.mark.parametrize("before", [0, 1])
def test_a_crash_never_leaves_a_certificate_beside_another_key(
    tmp_path: Path, before: int
) -> None:
    ca = authority(tmp_path)
    pair = files(tmp_path, "leaf")
    ensure_leaf(pair, ca, names=NAMES, now=NOW)
    pair.private_key.unlink()
    writes = 0

    def die(path: Path, content: bytes, mode: int) -> None:
        nonlocal writes
        if writes == before:
            raise OSError
        writes += 1
        write_file(path, content, mode=mode)

    with pytest.raises(OSError):  # noqa: PT011  # whichever the disk raises
        ensure_leaf(pair, ca, names=NAMES, now=NOW, write=die)

    assert not (pair.certificate.exists() and pair.private_key.exists())
    assert ensure_leaf(pair, ca, names=NAMES, now=NOW)


def test_what_an_authority_signed_is_good_after_its_renewal(tmp_path: Path) -> None:
    first = authority(tmp_path)
    late = NOW + AUTHORITY_LIFETIME - LEAF_LIFETIME + timedelta(days=1)
    ensure_leaf(files(tmp_path, "leaf"), first, names=NAMES, now=late - timedelta(days=9))

    second = authority(tmp_path, late)

    assert second.certificate != first.certificate
    verify(leaf(tmp_path), second, "localhost", late)


def test_a_leaf_of_another_authority_is_made_again(tmp_path: Path) -> None:
    ensure_leaf(files(tmp_path, "leaf"), authority(tmp_path), names=NAMES, now=NOW)

    other = authority(tmp_path, name="other")

    assert ensure_leaf(files(tmp_path, "leaf"), other, names=NAMES, now=NOW)


@pytest.mark.parametrize("lost", ["leaf.pem", "leaf.key"])
def test_a_leaf_of_which_a_file_is_broken_is_made_again(tmp_path: Path, lost: str) -> None:
    ca = authority(tmp_path)
    ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=NOW)
    (tmp_path / lost).write_text("not PEM")

    assert ensure_leaf(files(tmp_path, "leaf"), ca, names=NAMES, now=NOW)
    verify(leaf(tmp_path), ca, "localhost")


def test_no_leaf_outlives_its_authority(tmp_path: Path) -> None:
    first = authority(tmp_path)
    late = NOW + AUTHORITY_LIFETIME - LEAF_LIFETIME + timedelta(days=1)

    second = authority(tmp_path, late)

    assert second.certificate != first.certificate
    ensure_leaf(files(tmp_path, "leaf"), second, names=NAMES, now=late)
    assert leaf(tmp_path).not_valid_after_utc < second.certificate.not_valid_after_utc


def test_private_keys_are_their_owners_alone(tmp_path: Path) -> None:
    ensure_leaf(files(tmp_path, "leaf"), authority(tmp_path), names=NAMES, now=NOW)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.key")}

    assert modes == {0o600}
